#include <array>

#include "data/resample.h"

namespace soup {

void resample_rgb_row(const uint8_t* in, const Taps* taps, int64_t count,
                      uint8_t* out) {
  for (int64_t x = 0; x < count; ++x) {
    const uint8_t* pixel = in + taps[x].first * 3;
    std::array<int32_t, 3> sums = {kHalf, kHalf, kHalf};
    for (int64_t k = 0; k < taps[x].count; ++k, pixel += 3) {
      for (size_t c = 0; c < 3; ++c) sums[c] += pixel[c] * taps[x].weights[k];
    }
    for (const int32_t sum : sums) *out++ = rounded(sum);
  }
}

void blend_rows(const uint8_t* in, int64_t stride, const Taps& taps,
                int64_t count, uint8_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    int32_t sum = kHalf;
    for (int64_t k = 0; k < taps.count; ++k) {
      sum += in[i + k * stride] * taps.weights[k];
    }
    out[i] = rounded(sum);
  }
}

}  // namespace soup
