#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "data/picture.h"

namespace soup {

/// A row of the table of resampling filters.
struct Filter {
  std::string_view name;
  std::string_view summary;
  double support = 0;  ///< the filter is 0 beyond this distance
  double (*weight)(double x);
};

std::span<const Filter> filters();

/// A picture to make of another: resized to width x height, of which only the
/// rectangle at (crop_x, crop_y) is wanted.
struct Target {
  int64_t width = 0;
  int64_t height = 0;
  int64_t crop_x = 0;
  int64_t crop_y = 0;
  int64_t crop_width = 0;
  int64_t crop_height = 0;
};

/// Resizes byte for byte as Pillow up to version 12.1 does: two passes in fixed
/// point of 22 bits with uint8 between them, horizontal first, a pass that
/// changes no size left out. (Newer ones sometimes go vertical first.)
Picture resize(const Picture& picture, const Target& target,
               const Filter& filter);

}  // namespace soup
