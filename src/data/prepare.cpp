#include "data/prepare.h"

#include <algorithm>
#include <cmath>

#include "core/table.h"
#include "soup/error.h"

namespace soup {
namespace {

// Python's round(): half to even.
int64_t centre_offset(int64_t size, int64_t crop) {
  return std::lrint(static_cast<double>(size - crop) / 2.0);
}

// int(size * long / short) of torchvision: one rounding, then truncation.
int64_t longer_side(int64_t shorter, int64_t long_side, int64_t short_side) {
  return static_cast<int64_t>(static_cast<double>(shorter * long_side) /
                              static_cast<double>(short_side));
}

// [height, width, from] to [to, height, width]; grey is repeated.
void write_planes(const Picture& picture, int64_t channels,
                  std::span<uint8_t> out) {
  const int64_t plane = picture.height * picture.width;
  const int64_t step = picture.channels;
  for (int64_t c = 0; c < channels; ++c) {
    const uint8_t* from = picture.pixels.data() + (step == 1 ? 0 : c);
    uint8_t* to = out.data() + c * plane;
    for (int64_t i = 0; i < plane; ++i) to[i] = from[i * step];
  }
}

}  // namespace

Picture without_border(const Picture& picture, int64_t border,
                       const std::string& where) {
  Picture inner{.height = picture.height - 2 * border,
                .width = picture.width - 2 * border,
                .channels = picture.channels,
                .pixels = {}};
  if (inner.height < 1 || inner.width < 1) {
    throw Error(where + ": is all border: " + std::to_string(picture.height) +
                " x " + std::to_string(picture.width) + " pixels, of which " +
                std::to_string(border) + " are cut off every side");
  }
  const int64_t row = inner.width * inner.channels;
  for (int64_t y = border; y < border + inner.height; ++y) {
    const uint8_t* const from =
        picture.pixels.data() + (y * picture.width + border) * picture.channels;
    inner.pixels.insert(inner.pixels.end(), from, from + row);
  }
  return inner;
}

Picture to_grey(const Picture& picture) {
  Picture grey{.height = picture.height,
               .width = picture.width,
               .channels = 1,
               .pixels = {}};
  grey.pixels.resize(static_cast<size_t>(grey.height * grey.width));
  const uint8_t* in = picture.pixels.data();
  for (uint8_t& out : grey.pixels) {
    const uint32_t sum =
        in[0] * 19595U + in[1] * 38470U + in[2] * 7471U + 0x8000U;
    out = static_cast<uint8_t>(sum >> 16);
    in += 3;
  }
  return grey;
}

Preparer::Preparer(const PictureShape& shape, const Preprocess& preprocess,
                   const std::string& where)
    : shape_(shape),
      resize_(preprocess.resize.value()),
      filter_(find_row(filters(), preprocess.filter.value(),
                       where + ": resize filter")),
      border_(preprocess.border.value()) {
  if (preprocess.size &&
      (*preprocess.size != shape.height || *preprocess.size != shape.width)) {
    throw UsageError(where + ": 'size' is " + std::to_string(*preprocess.size) +
                     ", but the model takes " + std::to_string(shape.height) +
                     " x " + std::to_string(shape.width));
  }
  if (resize_ == "shorter") {
    if (shape.height != shape.width) {
      throw UsageError(where +
                       ": 'resize': 'shorter' is for square pictures, "
                       "but the model takes " +
                       std::to_string(shape.height) + " x " +
                       std::to_string(shape.width) + "; use 'exact'");
    }
    shorter_ = static_cast<int64_t>(std::floor(
        static_cast<double>(shape.height) / preprocess.crop_pct.value()));
  }
}

Target Preparer::target(int64_t width, int64_t height) const {
  Target t{.width = shape_.width,
           .height = shape_.height,
           .crop_width = shape_.width,
           .crop_height = shape_.height};
  if (resize_ == "shorter") {
    t.width = width <= height ? shorter_ : longer_side(shorter_, width, height);
    t.height =
        width <= height ? longer_side(shorter_, height, width) : shorter_;
    t.crop_x = centre_offset(t.width, t.crop_width);
    t.crop_y = centre_offset(t.height, t.crop_height);
  }
  return t;
}

bool Preparer::prepare(const Picture& picture, const std::string& where,
                       std::span<uint8_t> out) const {
  if (border_ > 0) {
    Preparer inner = *this;
    inner.border_ = 0;
    return inner.prepare(without_border(picture, border_, where), where, out);
  }
  if (shape_.channels == 1 && picture.channels == 3) {
    return prepare(to_grey(picture), where, out);
  }
  const bool same_size =
      picture.width == shape_.width && picture.height == shape_.height;
  if (resize_ == "none" && !same_size) {
    throw Error(where + ": is " + std::to_string(picture.height) + " x " +
                std::to_string(picture.width) + ", but the model takes " +
                std::to_string(shape_.height) + " x " +
                std::to_string(shape_.width) + " and 'resize' is 'none'");
  }
  const Target goal = target(picture.width, picture.height);
  const bool unchanged =
      same_size && goal.width == shape_.width && goal.height == shape_.height;
  if (unchanged) {
    write_planes(picture, shape_.channels, out);
  } else {
    write_planes(resize(picture, goal, filter_), shape_.channels, out);
  }
  return !unchanged;
}

}  // namespace soup
