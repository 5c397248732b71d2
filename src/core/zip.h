#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Zip archives, as torch and NumPy write them: a central directory, read with
/// every number checked.
namespace soup {

struct ZipEntry {
  std::string_view name;  ///< a view of the file
  uint64_t header = 0;    ///< where its local header starts
  uint64_t begin = 0;     ///< where its bytes start
  uint64_t packed = 0;    ///< bytes in the file
  uint64_t size = 0;      ///< bytes when unpacked
  uint16_t method = 0;    ///< 0: stored, 8: deflated
  uint32_t crc = 0;       ///< CRC-32 of the unpacked bytes
  bool encrypted = false;
};

class ZipArchive {
 public:
  /// Reads the directory of `file`, which must outlive this object. `where`
  /// names the file in messages.
  /// Throws Error when anything does not fit: entries outside the file or over
  /// each other, a name that comes twice, local headers that disagree.
  ZipArchive(std::span<const std::byte> file, std::string where);

  /// In order of their names.
  std::span<const ZipEntry> entries() const { return entries_; }
  /// nullptr when there is none.
  const ZipEntry* find(std::string_view name) const;
  /// The bytes of a stored entry. Throws Error when they are compressed or
  /// encrypted.
  std::span<const std::byte> bytes(const ZipEntry&) const;
  /// The bytes of an entry as they lie in the file, packed by its method.
  /// Throws Error when they are encrypted.
  std::span<const std::byte> packed_bytes(const ZipEntry&) const;

 private:
  struct Directory {
    uint64_t entries = 0;
    uint64_t begin = 0;
    uint64_t size = 0;
  };
  Directory find_directory() const;
  Directory read_zip64(uint64_t end, Directory small) const;
  void read_entries(const Directory&);
  uint64_t read_entry(uint64_t at, const Directory&);
  void check_local_header(ZipEntry&, uint16_t flags, uint64_t limit) const;
  void check_overlaps() const;
  uint64_t number(uint64_t at, size_t size) const;
  std::string_view text(uint64_t at, uint64_t size) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::span<const std::byte> file_;
  std::string where_;
  std::vector<ZipEntry> entries_;
};

}  // namespace soup
