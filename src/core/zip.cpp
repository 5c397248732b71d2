#include "core/zip.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

// APPNOTE.TXT 4.3: sizes of the fixed parts, signatures as numbers.
constexpr uint64_t kLocalSize = 30;
constexpr uint64_t kCentralSize = 46;
constexpr uint64_t kEndSize = 22;
constexpr uint64_t kLocatorSize = 20;
constexpr uint64_t kEnd64Size = 56;
constexpr uint64_t kLongestComment = 65535;
constexpr uint64_t kLocalMagic = 0x04034b50;
constexpr uint64_t kCentralMagic = 0x02014b50;
constexpr uint64_t kEndMagic = 0x06054b50;
constexpr uint64_t kLocatorMagic = 0x07064b50;
constexpr uint64_t kEnd64Magic = 0x06064b50;
constexpr uint64_t kIn64 = 0xffffffff;  // "see the zip64 field"
constexpr uint64_t kIn64Short = 0xffff;
constexpr uint16_t kEncryptedFlags = 1 | 1 << 6 | 1 << 13;
constexpr uint16_t kSizesFollow = 1 << 3;

}  // namespace

ZipArchive::ZipArchive(std::span<const std::byte> file, std::string where)
    : file_(file), where_(std::move(where)) {
  read_entries(find_directory());
  check_overlaps();
  const auto less = [](const ZipEntry& a, const ZipEntry& b) {
    return a.name < b.name;
  };
  std::sort(entries_.begin(), entries_.end(), less);
  const auto twice = std::adjacent_find(
      entries_.begin(), entries_.end(),
      [](const ZipEntry& a, const ZipEntry& b) { return a.name == b.name; });
  if (twice != entries_.end()) {
    fail("entry " + quote(twice->name) + " appears twice in the archive");
  }
}

void ZipArchive::fail(const std::string& what) const {
  throw Error(where_ + ": " + what);
}

// The caller has checked that the bytes are there.
uint64_t ZipArchive::number(uint64_t at, size_t size) const {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= std::to_integer<uint64_t>(file_[at + i]) << (8 * i);
  }
  return value;
}

std::string_view ZipArchive::text(uint64_t at, uint64_t size) const {
  return {reinterpret_cast<const char*>(file_.data()) + at, size};
}

// The last end record counts, as it does for torch; bytes after it are
// tolerated.
ZipArchive::Directory ZipArchive::find_directory() const {
  if (file_.size() < kEndSize) fail("too short for a zip archive");
  const uint64_t last = file_.size() - kEndSize;
  const uint64_t first = last > kLongestComment ? last - kLongestComment : 0;
  uint64_t at = last;
  while (number(at, 4) != kEndMagic) {
    if (at == first) {
      fail("the zip archive has no end record; the file is incomplete");
    }
    --at;
  }
  if (number(at + 4, 2) != number(at + 6, 2) ||
      number(at + 8, 2) != number(at + 10, 2)) {
    fail("the zip archive is spread over several files");
  }
  Directory directory{.entries = number(at + 10, 2),
                      .begin = number(at + 16, 4),
                      .size = number(at + 12, 4)};
  uint64_t end = at;
  if (at >= kLocatorSize && number(at - kLocatorSize, 4) == kLocatorMagic) {
    end = number(at - kLocatorSize + 8, 8);
    if (end > at - kLocatorSize || at - kLocatorSize - end < kEnd64Size) {
      fail("the zip64 end record lies outside the file");
    }
    directory = read_zip64(end, directory);
  }
  if (directory.begin > end || end - directory.begin != directory.size) {
    fail("the directory of the zip archive is not where its end record says");
  }
  if (directory.entries > directory.size / kCentralSize) {
    fail("the zip archive has fewer entries than its end record says");
  }
  return directory;
}

ZipArchive::Directory ZipArchive::read_zip64(uint64_t end,
                                             Directory small) const {
  if (number(end, 4) != kEnd64Magic) fail("the zip64 end record is damaged");
  const Directory large{.entries = number(end + 32, 8),
                        .begin = number(end + 48, 8),
                        .size = number(end + 40, 8)};
  // Two end records that disagree would mean two archives to two readers.
  const auto agree = [](uint64_t in32, uint64_t in64, uint64_t mark) {
    return in32 == mark || in32 == in64;
  };
  if (!agree(small.entries, large.entries, kIn64Short) ||
      !agree(small.begin, large.begin, kIn64) ||
      !agree(small.size, large.size, kIn64)) {
    fail("the two end records of the zip archive disagree");
  }
  return large;
}

void ZipArchive::read_entries(const Directory& directory) {
  uint64_t at = directory.begin;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    at = read_entry(at, directory);
  }
  if (at != directory.begin + directory.size) {
    fail("the directory of the zip archive has bytes that belong to no entry");
  }
}

// Returns where the next entry starts.
uint64_t ZipArchive::read_entry(uint64_t at, const Directory& directory) {
  const uint64_t end = directory.begin + directory.size;
  if (end - at < kCentralSize || number(at, 4) != kCentralMagic) {
    fail("the directory of the zip archive is damaged");
  }
  const uint64_t name_size = number(at + 28, 2);
  const uint64_t extra_size = number(at + 30, 2);
  const uint64_t next =
      at + kCentralSize + name_size + extra_size + number(at + 32, 2);
  if (next > end) fail("the directory of the zip archive is damaged");
  const auto flags = static_cast<uint16_t>(number(at + 8, 2));
  ZipEntry entry{.name = text(at + kCentralSize, name_size),
                 .header = number(at + 42, 4),
                 .packed = number(at + 20, 4),
                 .size = number(at + 24, 4),
                 .method = static_cast<uint16_t>(number(at + 10, 2)),
                 .crc = static_cast<uint32_t>(number(at + 16, 4)),
                 .encrypted = (flags & kEncryptedFlags) != 0};
  // Zip64: 8 bytes for each field that is full, in this order.
  uint64_t field = at + kCentralSize + name_size;
  const uint64_t fields_end = field + extra_size;
  while (fields_end - field >= 4) {
    const uint64_t id = number(field, 2);
    uint64_t value = field + 4;
    field = value + number(field + 2, 2);
    if (field > fields_end) fail("entry " + quote(entry.name) + " is damaged");
    if (id != 1) continue;
    for (uint64_t* full : {&entry.size, &entry.packed, &entry.header}) {
      if (*full != kIn64) continue;
      if (field - value < 8) {
        fail("entry " + quote(entry.name) + " is damaged");
      }
      *full = number(value, 8);
      value += 8;
    }
    break;
  }
  check_local_header(entry, flags, directory.begin);
  entries_.push_back(entry);
  return next;
}

void ZipArchive::check_local_header(ZipEntry& entry, uint16_t flags,
                                    uint64_t limit) const {
  const std::string subject = "entry " + quote(entry.name);
  if (entry.header > limit || limit - entry.header < kLocalSize) {
    fail(subject + " lies outside the file");
  }
  const uint64_t at = entry.header;
  const uint64_t name_size = number(at + 26, 2);
  const uint64_t before = kLocalSize + name_size + number(at + 28, 2);
  if (limit - at < before || entry.packed > limit - at - before) {
    fail(subject + " lies outside the file");
  }
  if (number(at, 4) != kLocalMagic ||
      text(at + kLocalSize, name_size) != entry.name ||
      number(at + 8, 2) != entry.method) {
    fail(subject + " disagrees with its own header");
  }
  // torch leaves the sizes of the local header empty.
  const bool empty = (flags & kSizesFollow) != 0;
  const auto agree = [&](uint64_t local, uint64_t central) {
    return local == central || local == kIn64 || (empty && local == 0);
  };
  if (!agree(number(at + 18, 4), entry.packed) ||
      !agree(number(at + 22, 4), entry.size)) {
    fail(subject + " disagrees with its own header");
  }
  entry.begin = at + before;
}

void ZipArchive::check_overlaps() const {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  ranges.reserve(entries_.size());
  for (const ZipEntry& entry : entries_) {
    ranges.emplace_back(entry.header, entry.begin + entry.packed);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) {
      fail("entries of the zip archive overlap");
    }
  }
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto at =
      std::lower_bound(entries_.begin(), entries_.end(), name,
                       [](const ZipEntry& entry, std::string_view wanted) {
                         return entry.name < wanted;
                       });
  return at != entries_.end() && at->name == name ? &*at : nullptr;
}

std::span<const std::byte> ZipArchive::bytes(const ZipEntry& entry) const {
  const std::span<const std::byte> bytes = packed_bytes(entry);
  const std::string subject = "entry " + quote(entry.name);
  if (entry.method != 0) fail(subject + " is compressed");
  if (entry.packed != entry.size) {
    fail(subject + " is stored in " + std::to_string(entry.packed) +
         " bytes, expected " + std::to_string(entry.size));
  }
  return bytes;
}

std::span<const std::byte> ZipArchive::packed_bytes(
    const ZipEntry& entry) const {
  if (entry.encrypted) fail("entry " + quote(entry.name) + " is encrypted");
  return file_.subspan(entry.begin, entry.packed);
}

}  // namespace soup
