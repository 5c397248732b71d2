#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/picture.h"
#include "data/resize.h"
#include "soup/data.h"

namespace soup {

/// Turns pictures into a model's input: channels, resize, crop.
class Preparer {
 public:
  /// `preprocess` has all fields but `size` set. Throws UsageError when it
  /// cannot give `shape`; `where` is put in front of messages.
  Preparer(const PictureShape& shape, const Preprocess& preprocess,
           const std::string& where);

  /// Writes uint8 [channels, height, width] of the model's shape to `out`.
  /// Returns true when the picture was resized.
  /// Throws Error naming `where` when it had to be and resize is `none`.
  /// Thread-safe.
  bool prepare(const Picture& picture, const std::string& where,
               std::span<uint8_t> out) const;

  int64_t bytes() const {
    return shape_.channels * shape_.height * shape_.width;
  }

  /// What to make of a picture of that size.
  Target target(int64_t width, int64_t height) const;

 private:
  PictureShape shape_;
  std::string resize_;
  const Filter& filter_;
  int64_t border_ = 0;   ///< pixels cut off every side first
  int64_t shorter_ = 0;  ///< the shorter side before the crop
};

/// The inner part of `picture`. Throws Error when nothing is left of it.
Picture without_border(const Picture& picture, int64_t border,
                       const std::string& where);

/// Grey as Pillow's convert("L"): ITU-R 601-2 in 16-bit fixed point.
Picture to_grey(const Picture& picture);

}  // namespace soup
