#include "checkpoint/zip_layout.h"

#include <utility>

namespace soup {
namespace {

// APPNOTE.TXT 4.3 and 4.5.
constexpr int64_t kAlignment = 64;
constexpr int64_t kLocalSize = 30;
constexpr uint64_t kIn64 = 0xffffffff;
constexpr uint64_t kIn64Short = 0xffff;
constexpr uint64_t kUtf8Name = 1 << 11;
constexpr int64_t kFieldHead = 4;  // id and size of an extra field
constexpr int64_t kLocalZip64 = 4 + 16;
constexpr uint64_t kPaddingId = 0x4246;  // torch's own padding: "FB"

// Appends `value` as `size` little-endian bytes.
void put(std::string& out, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    out += static_cast<char>(value >> (8 * i) & 0xff);
  }
}

bool needs_zip64(int64_t value) {
  return static_cast<uint64_t>(value) >= kIn64;
}

uint64_t capped(int64_t value) {
  return needs_zip64(value) ? kIn64 : static_cast<uint64_t>(value);
}

int64_t round_up(int64_t value) {
  return (value + kAlignment - 1) / kAlignment * kAlignment;
}

// Name, method, time and CRC, which both headers have in the same place.
// 1980-01-01 00:00: the same input gives the same bytes.
void put_common(std::string& out, bool zip64, uint32_t crc) {
  put(out, zip64 ? 45 : 20, 2);
  put(out, kUtf8Name, 2);
  put(out, 0, 2);     // stored
  put(out, 0, 2);     // time
  put(out, 0x21, 2);  // date
  put(out, crc, 4);
}

}  // namespace

size_t ZipLayout::add(std::string name, int64_t size) {
  Entry entry{.name = std::move(name), .size = size, .header = end_};
  const int64_t smallest = end_ + kLocalSize +
                           static_cast<int64_t>(entry.name.size()) +
                           (needs_zip64(size) ? kLocalZip64 : 0) + kFieldHead;
  entry.begin = round_up(smallest);
  end_ = entry.begin + size;
  entries_.push_back(std::move(entry));
  return entries_.size() - 1;
}

void ZipLayout::finish() {
  size_ = end_ + static_cast<int64_t>(directory().size());
}

std::string ZipLayout::header(size_t index) const {
  const Entry& entry = entries_[index];
  const bool zip64 = needs_zip64(entry.size);
  std::string out;
  put(out, 0x04034b50, 4);
  put_common(out, zip64, entry.crc);
  put(out, capped(entry.size), 4);
  put(out, capped(entry.size), 4);
  put(out, entry.name.size(), 2);
  const int64_t extra = entry.begin - entry.header - kLocalSize -
                        static_cast<int64_t>(entry.name.size());
  put(out, static_cast<uint64_t>(extra), 2);
  out += entry.name;
  if (zip64) {
    put(out, 1, 2);
    put(out, 16, 2);
    put(out, static_cast<uint64_t>(entry.size), 8);
    put(out, static_cast<uint64_t>(entry.size), 8);
  }
  const int64_t left = extra - (zip64 ? kLocalZip64 : 0) - kFieldHead;
  put(out, kPaddingId, 2);
  put(out, static_cast<uint64_t>(left), 2);
  return out + std::string(static_cast<size_t>(left), '\0');
}

std::string ZipLayout::directory() const {
  std::string out;
  for (const Entry& entry : entries_) {
    const bool large = needs_zip64(entry.size);
    const bool far = needs_zip64(entry.header);
    const size_t fields = (large ? 2 : 0) + (far ? 1 : 0);
    put(out, 0x02014b50, 4);
    put(out, 0x031e, 2);  // made by: unix
    put_common(out, fields > 0, entry.crc);
    put(out, capped(entry.size), 4);
    put(out, capped(entry.size), 4);
    put(out, entry.name.size(), 2);
    put(out, fields > 0 ? 4 + 8 * fields : 0, 2);
    put(out, 0, 2);               // comment
    put(out, 0, 2);               // disk
    put(out, 0, 2);               // internal attributes
    put(out, 0100644U << 16, 4);  // a regular file
    put(out, capped(entry.header), 4);
    out += entry.name;
    if (fields == 0) continue;
    put(out, 1, 2);
    put(out, 8 * fields, 2);
    if (large) {
      put(out, static_cast<uint64_t>(entry.size), 8);
      put(out, static_cast<uint64_t>(entry.size), 8);
    }
    if (far) put(out, static_cast<uint64_t>(entry.header), 8);
  }
  const uint64_t size = out.size();
  const uint64_t count = entries_.size();
  if (needs_zip64(end_) || count >= kIn64Short || size >= kIn64) {
    const uint64_t end64 = static_cast<uint64_t>(end_) + size;
    put(out, 0x06064b50, 4);
    put(out, 44, 8);  // size of the rest of this record
    put(out, 0x031e, 2);
    put(out, 45, 2);
    put(out, 0, 8);  // disks
    put(out, count, 8);
    put(out, count, 8);
    put(out, size, 8);
    put(out, static_cast<uint64_t>(end_), 8);
    put(out, 0x07064b50, 4);
    put(out, 0, 4);
    put(out, end64, 8);
    put(out, 1, 4);
  }
  put(out, 0x06054b50, 4);
  put(out, 0, 4);  // disks
  put(out, count < kIn64Short ? count : kIn64Short, 2);
  put(out, count < kIn64Short ? count : kIn64Short, 2);
  put(out, size < kIn64 ? size : kIn64, 4);
  put(out, capped(end_), 4);
  put(out, 0, 2);
  return out;
}

}  // namespace soup
