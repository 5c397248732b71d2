#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "data/picture_file.h"
#include "data/sources.h"

namespace soup {

/// What a file of the cache, if there is one, knows of the chosen pictures, as
/// far as it is still true of them.
class Kept {
 public:
  /// Holds every picture against its record, in parallel.
  Kept(std::optional<PictureFile> file, const Sources& sources);

  bool all() const;
  bool good(int64_t i) const {
    return file_ && good_[static_cast<size_t>(i)] != 0;
  }
  const std::optional<PictureFile>& file() const { return file_; }

 private:
  std::optional<PictureFile> file_;
  std::vector<char> good_;
};

}  // namespace soup
