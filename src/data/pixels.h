#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/prepare.h"
#include "soup/data.h"

namespace soup {

/// Pictures of one size side by side: uint8 [count, height, width, channels].
struct PixelBlock {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 1;  ///< 1 (grey) or 3 (red, green, blue)
  std::span<const uint8_t> pixels;
};

/// Prepares them, in parallel, into the pixels of `examples`, of which there
/// are as many. Throws what Preparer::prepare throws.
void prepare_pixels(const Preparer& preparer, const PixelBlock& block,
                    const std::string& where, Examples& examples);

}  // namespace soup
