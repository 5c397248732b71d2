#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "soup/data.h"

namespace soup {

/// Makes the folder, for this user alone. Throws Error.
void make_cache_folder(const std::filesystem::path& folder);

/// Removes files that were not used for longest until `needed` bytes fit below
/// the limit, and what killed processes left behind. `but`: not this one.
/// Throws Error when `needed` alone is more than the limit.
void make_room(const PictureCache& cache, int64_t needed,
               const std::filesystem::path& but);

/// Bytes of all files in it.
int64_t cache_size(const std::filesystem::path& folder);

/// Notes that `file` was used now.
void note_use(const std::filesystem::path& file);

/// Held while a file of the cache is made, so that of several processes one
/// decodes and the others wait for it. Where files cannot be locked, nothing
/// is.
class CacheLock {
 public:
  explicit CacheLock(const std::filesystem::path& file);
  ~CacheLock();
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;

  /// True when another process had it: the file may have been made meanwhile.
  bool waited() const { return waited_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  bool waited_ = false;
};

}  // namespace soup
