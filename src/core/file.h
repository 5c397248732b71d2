#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace soup {

/// A regular file mapped read-only. Movable; the mapping lives as long as the
/// object.
class MappedFile {
 public:
  /// Throws Error when `path` is missing, unreadable, or no regular file (a
  /// FIFO would block).
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }
  /// Throws Error when the file on disk is no longer the one that was mapped.
  /// Where it shrank, reading its lost part gives zeros.
  void check_unchanged() const;

 private:
  void unmap() noexcept;

  std::filesystem::path path_;
  int fd_ = -1;
  std::span<const std::byte> bytes_;
  int64_t mtime_ns_ = 0;
};

/// A file that appears whole or not at all: written beside its final place,
/// synced and renamed by commit(), removed by the destructor otherwise and when
/// the process is interrupted.
class AtomicFile {
 public:
  /// Throws Error when `path` exists and `force` is off, or when the folder
  /// cannot be written.
  AtomicFile(std::filesystem::path path, bool force);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Reserves `size` bytes on disk. Throws Error when they are not there.
  void reserve(int64_t size);
  /// Thread-safe for ranges that do not overlap.
  void write_at(int64_t offset, std::span<const std::byte> data);
  /// Throws Error when `path` came into being meanwhile and `force` is off.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  bool force_ = false;
};

/// Throws Error when `path` exists (and `force` is off) or is no file, or when
/// its folder is missing or cannot be written.
void check_writable(const std::filesystem::path& path, bool force);

/// Writes a small file atomically.
void write_text(const std::filesystem::path& path, std::string_view text,
                bool force);

/// The folder `path` lies in: "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& path);

/// Makes names that were added to `folder` last, as far as its file system can.
void sync_folder(const std::filesystem::path& folder);

/// Reads a regular file of at most `limit` bytes. Throws Error.
std::string read_text(const std::filesystem::path& path, size_t limit);
/// Reads standard input to its end, at most `limit` bytes. Throws Error.
std::string read_stdin(size_t limit);

/// The folder with datasets/, zoo/ and the like: share/soup beside an installed
/// program, else the source tree's configs/.
std::filesystem::path configs_folder();

}  // namespace soup
