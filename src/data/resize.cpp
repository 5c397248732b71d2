#include "data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "data/resample.h"

namespace soup {
namespace {

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

constexpr std::array kFilters = {
    Filter{"bicubic", "Pillow's bicubic (a = -0.5), with antialiasing", 2.0,
           bicubic},
    Filter{"bilinear", "Pillow's bilinear, with antialiasing", 1.0, bilinear},
    Filter{"box", "mean of the pixels below", 0.5, box},
    Filter{"lanczos", "Lanczos with three lobes", 3.0, lanczos},
};

/// Weights of a pass from `in` to `out` pixels, for the outputs
/// [begin, begin + count).
class Pass {
 public:
  Pass(int64_t in, int64_t out, int64_t begin, int64_t count,
       const Filter& filter)
      : identity_(in == out) {
    const double scale = static_cast<double>(in) / static_cast<double>(out);
    const double stretch = std::max(scale, 1.0);
    const double support = filter.support * stretch;
    const auto most = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
    weights_.resize(static_cast<size_t>(count * most));
    std::vector<double> exact(static_cast<size_t>(most));
    for (int64_t i = 0; i < count; ++i) {
      int32_t* weights = weights_.data() + i * most;
      const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
      const int64_t first =
          std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
      const int64_t end =
          std::min(static_cast<int64_t>(centre + support + 0.5), in);
      taps_.push_back({first, end - first, weights});
      fill(exact, taps_.back(), centre, 1.0 / stretch, filter, weights);
    }
  }

  /// True when nothing changes: the pass is a copy.
  bool identity() const { return identity_; }
  const Taps& operator[](int64_t i) const {
    return taps_[static_cast<size_t>(i)];
  }
  const Taps* taps() const { return taps_.data(); }
  int64_t first_input() const { return taps_.front().first; }
  int64_t end_input() const { return taps_.back().first + taps_.back().count; }

 private:
  static void fill(std::vector<double>& exact, const Taps& taps, double centre,
                   double shrink, const Filter& filter, int32_t* weights) {
    double sum = 0;
    for (int64_t k = 0; k < taps.count; ++k) {
      const double x = static_cast<double>(k + taps.first) - centre + 0.5;
      exact[static_cast<size_t>(k)] = filter.weight(x * shrink);
      sum += exact[static_cast<size_t>(k)];
    }
    for (int64_t k = 0; k < taps.count; ++k) {
      const double w = sum != 0 ? exact[static_cast<size_t>(k)] / sum : 0.0;
      weights[k] =
          static_cast<int32_t>(w * (1 << kWeightBits) + (w < 0 ? -0.5 : 0.5));
    }
  }

  bool identity_;
  std::vector<int32_t> weights_;
  std::vector<Taps> taps_;
};

template <int kChannels>
void resample_row(const uint8_t* in, const Pass& pass, int64_t count,
                  uint8_t* out) {
  for (int64_t x = 0; x < count; ++x) {
    const Taps& taps = pass[x];
    const uint8_t* pixel = in + taps.first * kChannels;
    std::array<int32_t, kChannels> sums;
    sums.fill(kHalf);
    for (int64_t k = 0; k < taps.count; ++k, pixel += kChannels) {
      for (int c = 0; c < kChannels; ++c) {
        sums[c] += pixel[c] * taps.weights[k];
      }
    }
    for (int c = 0; c < kChannels; ++c) *out++ = rounded(sums[c]);
  }
}

/// Rows [y, y + rows) of `in`, columns of `target`'s crop.
Picture horizontal(const Picture& in, const Target& target, int64_t y,
                   int64_t rows, const Filter& filter) {
  Picture out{.height = rows,
              .width = target.crop_width,
              .channels = in.channels,
              .pixels = {}};
  const int64_t row_bytes = out.width * out.channels;
  out.pixels.resize(static_cast<size_t>(rows * row_bytes));
  const Pass pass(in.width, target.width, target.crop_x, target.crop_width,
                  filter);
  for (int64_t row = 0; row < rows; ++row) {
    const uint8_t* from = in.pixels.data() + (y + row) * in.width * in.channels;
    uint8_t* to = out.pixels.data() + row * row_bytes;
    if (pass.identity()) {
      std::copy_n(from + target.crop_x * in.channels, row_bytes, to);
    } else if (in.channels == 1) {
      resample_row<1>(from, pass, out.width, to);
    } else if (y + row + 1 < in.height) {
      resample_rgb_row(from, pass.taps(), out.width, to);
    } else {  // nothing may be read behind the picture
      resample_row<3>(from, pass, out.width, to);
    }
  }
  return out;
}

/// `in` starts at row `skipped` of the whole picture.
Picture vertical(const Picture& in, const Pass& pass, int64_t skipped,
                 int64_t rows) {
  Picture out{
      .height = rows, .width = in.width, .channels = in.channels, .pixels = {}};
  const int64_t stride = in.width * in.channels;
  out.pixels.resize(static_cast<size_t>(rows * stride));
  for (int64_t y = 0; y < rows; ++y) {
    const Taps& taps = pass[y];
    const uint8_t* from = in.pixels.data() + (taps.first - skipped) * stride;
    uint8_t* to = out.pixels.data() + y * stride;
    blend_rows(from, stride, taps, stride, to);
  }
  return out;
}

}  // namespace

std::span<const Filter> filters() { return kFilters; }

Picture resize(const Picture& picture, const Target& target,
               const Filter& filter) {
  const Pass pass(picture.height, target.height, target.crop_y,
                  target.crop_height, filter);
  if (pass.identity()) {
    return horizontal(picture, target, target.crop_y, target.crop_height,
                      filter);
  }
  const int64_t y = pass.first_input();
  const Picture narrowed =
      horizontal(picture, target, y, pass.end_input() - y, filter);
  return vertical(narrowed, pass, y, target.crop_height);
}

}  // namespace soup
