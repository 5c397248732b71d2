#pragma once

#include <cstdint>
#include <vector>

namespace soup {

/// A picture of 1 (grey) or 3 (red, green, blue) channels: uint8
/// [height, width, channels].
struct Picture {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;
  std::vector<uint8_t> pixels;
};

}  // namespace soup
