#pragma once

#include <algorithm>
#include <cstdint>

/// The inner loops of resize(), one file for x86 and one for all others. Sums
/// are exact, so all give the same bytes.
namespace soup {

inline constexpr int kWeightBits = 32 - 8 - 2;  // room for sums of 8-bit values
inline constexpr int32_t kHalf = 1 << (kWeightBits - 1);

/// What one output is made of: `count` inputs from `first` on.
struct Taps {
  int64_t first = 0;
  int64_t count = 0;
  const int32_t* weights = nullptr;
};

inline uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

/// `count` pixels of three channels from a row. One byte behind the last pixel
/// that is used may be read.
void resample_rgb_row(const uint8_t* in, const Taps* taps, int64_t count,
                      uint8_t* out);

/// `count` bytes, each from those in the same column of rows `stride` apart.
/// `taps.first` is not looked at.
void blend_rows(const uint8_t* in, int64_t stride, const Taps& taps,
                int64_t count, uint8_t* out);

}  // namespace soup
