#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/file.h"
#include "core/hash.h"
#include "data/sources.h"

/// Files of the cache: a header, one record a picture, and, from the next page
/// on, the pixels. They are of the machine that wrote them.
namespace soup {

/// One picture in such a file.
struct PictureRecord {
  /// Unread: its file could not be; bad: it could not be decoded. In place of
  /// pixels the file has the reason then.
  enum State : int64_t { kUnread = 0, kAsItWas = 1, kResized = 2, kBad = 3 };

  FileStamp stamp = {};     ///< of its file, all 0 where there was none
  Hash128 content = {};     ///< of the encoded picture
  Hash128 pixels = {};      ///< of the decoded one, or of the reason
  int64_t state = kUnread;  ///< a State, or whatever a damaged file has

  bool decoded() const { return state == kAsItWas || state == kResized; }
};

/// Writes `reason` in place of the pixels of a picture, with zeros behind it.
/// Returns its hash, or that of nothing where it does not fit.
Hash128 write_reason(std::string_view reason, std::span<uint8_t> out);

/// What a file must be for: another key, other pixels.
struct PictureFileKey {
  Hash128 hash = {};       ///< of everything that the pixels depend on
  int64_t count = 0;       ///< of pictures
  int64_t bytes_each = 0;  ///< of a decoded picture
};

/// Size in bytes of such a file. Throws Error when no file is that large.
int64_t picture_file_size(const PictureFileKey& key);

/// A mapped file. Its bytes may be anything: whoever uses a picture compares
/// it with the hash first.
class PictureFile {
 public:
  /// nullopt when there is none, or when it is not one for `key`.
  static std::optional<PictureFile> open(const std::filesystem::path& path,
                                         const PictureFileKey& key);

  PictureRecord record(int64_t i) const;
  std::span<const uint8_t> pixels(int64_t i) const;
  std::span<const uint8_t> all_pixels() const;
  /// What write_reason() wrote; pixels may read as a reason of another hash.
  std::string_view reason(int64_t i) const;
  std::shared_ptr<const MappedFile> file() const { return file_; }

 private:
  PictureFile(std::shared_ptr<const MappedFile> file, const PictureFileKey& key)
      : file_(std::move(file)), key_(key) {}

  std::shared_ptr<const MappedFile> file_;
  PictureFileKey key_;
};

/// Writes one, which appears whole or not at all.
class PictureFileWriter {
 public:
  /// Throws Error when there is no room.
  PictureFileWriter(const std::filesystem::path& path,
                    const PictureFileKey& key);
  /// Each picture once; thread-safe. Throws Error.
  void put(int64_t i, const PictureRecord& record,
           std::span<const uint8_t> pixels);
  void commit();

 private:
  AtomicFile file_;
  PictureFileKey key_;
};

}  // namespace soup
