#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// A zip archive of stored entries whose sizes are known before their bytes.
namespace soup {

class ZipLayout {
 public:
  /// Adds an entry; returns its index. Bytes start at a multiple of 64, so that
  /// readers can map them.
  size_t add(std::string name, int64_t size);
  /// No more entries: fixes the size of the archive.
  void finish();

  size_t entries() const { return entries_.size(); }
  int64_t begin(size_t index) const { return entries_[index].begin; }
  int64_t entry_size(size_t index) const { return entries_[index].size; }
  int64_t directory_begin() const { return end_; }
  int64_t size() const { return size_; }

  void set_crc(size_t index, uint32_t crc) { entries_[index].crc = crc; }
  /// Where the local header of an entry goes, and its bytes.
  int64_t header_begin(size_t index) const { return entries_[index].header; }
  std::string header(size_t index) const;
  /// Central directory and end records. Needs every CRC.
  std::string directory() const;

 private:
  struct Entry {
    std::string name;
    int64_t size = 0;
    int64_t header = 0;
    int64_t begin = 0;
    uint32_t crc = 0;
  };
  std::vector<Entry> entries_;
  int64_t end_ = 0;   // of the last entry
  int64_t size_ = 0;  // of the archive
};

}  // namespace soup
