#include "data/picture_file.h"

#include <algorithm>
#include <cstring>

#include "soup/error.h"

namespace soup {
namespace {

constexpr uint64_t kMagic = 0x3243495050554f53;  // "SOUPPIC2", little-endian
constexpr int64_t kPage = 4096;

struct Header {
  uint64_t magic = kMagic;
  Hash128 hash = {};
  int64_t count = 0;
  int64_t bytes_each = 0;
  bool operator==(const Header&) const = default;
};

Header header_of(const PictureFileKey& key) {
  return {.hash = key.hash, .count = key.count, .bytes_each = key.bytes_each};
}

int64_t record_offset(int64_t i) {
  return static_cast<int64_t>(sizeof(Header)) +
         i * static_cast<int64_t>(sizeof(PictureRecord));
}

int64_t pixels_offset(const PictureFileKey& key, int64_t i) {
  const int64_t begin = (record_offset(key.count) + kPage - 1) / kPage * kPage;
  return begin + i * key.bytes_each;
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

int64_t picture_file_size(const PictureFileKey& key) {
  constexpr int64_t most = int64_t{1} << 60;
  int64_t bytes = 0;
  // Records and page included, the size stays below 2^62.
  if (key.count > most / 1024 ||
      __builtin_mul_overflow(key.count, key.bytes_each, &bytes) ||
      bytes > most) {
    throw Error(std::to_string(key.count) +
                " decoded pictures are more than a file can hold");
  }
  return pixels_offset(key, key.count);
}

Hash128 write_reason(std::string_view reason, std::span<uint8_t> out) {
  std::fill(out.begin(), out.end(), uint8_t{0});
  // With a zero behind it: no pixels of a whole picture read as one.
  if (reason.size() >= out.size()) return {};
  std::copy(reason.begin(), reason.end(), out.begin());
  return xxh3_128(std::as_bytes(std::span(reason)));
}

std::optional<PictureFile> PictureFile::open(const std::filesystem::path& path,
                                             const PictureFileKey& key) {
  std::error_code absent;
  if (!std::filesystem::is_regular_file(path, absent)) return std::nullopt;
  std::shared_ptr<const MappedFile> file;
  try {
    file = std::make_shared<MappedFile>(path);
  } catch (const Error&) {  // removed meanwhile, or another user's
    return std::nullopt;
  }
  const std::span<const std::byte> bytes = file->bytes();
  // All that could be read from the header is known: nothing in it is trusted.
  if (std::ssize(bytes) != picture_file_size(key)) return std::nullopt;
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header != header_of(key)) return std::nullopt;
  return PictureFile(std::move(file), key);
}

PictureRecord PictureFile::record(int64_t i) const {
  PictureRecord record;
  std::memcpy(&record, file_->bytes().data() + record_offset(i), sizeof record);
  return record;
}

std::span<const uint8_t> PictureFile::pixels(int64_t i) const {
  return all_pixels().subspan(static_cast<size_t>(i * key_.bytes_each),
                              static_cast<size_t>(key_.bytes_each));
}

std::span<const uint8_t> PictureFile::all_pixels() const {
  const auto* const first =
      reinterpret_cast<const uint8_t*>(file_->bytes().data());
  return {first + pixels_offset(key_, 0),
          static_cast<size_t>(key_.count * key_.bytes_each)};
}

std::string_view PictureFile::reason(int64_t i) const {
  const std::span<const uint8_t> slot = pixels(i);
  const auto end = std::find(slot.begin(), slot.end(), uint8_t{0});
  if (end == slot.end()) return {};  // pixels
  return {reinterpret_cast<const char*>(slot.data()),
          static_cast<size_t>(end - slot.begin())};
}

PictureFileWriter::PictureFileWriter(const std::filesystem::path& path,
                                     const PictureFileKey& key)
    : file_(path, true), key_(key) {
  file_.reserve(picture_file_size(key));
  file_.write_at(0, bytes_of(header_of(key)));
}

void PictureFileWriter::put(int64_t i, const PictureRecord& record,
                            std::span<const uint8_t> pixels) {
  file_.write_at(pixels_offset(key_, i), std::as_bytes(pixels));
  file_.write_at(record_offset(i), bytes_of(record));
}

void PictureFileWriter::commit() { file_.commit(); }

}  // namespace soup
