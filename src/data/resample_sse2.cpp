#include <emmintrin.h>

#include <array>
#include <cstring>

#include "data/resample.h"

// Every x86-64 has SSE2, which multiplies and adds pairs of 16-bit numbers.
// Weights have more bits: w = high * 2^11 + low, summed apart. Additions wrap
// around, so the sum is right as it fits in 32 bits in the end.
namespace soup {
namespace {

constexpr int kLowBits = 11;

/// The weights of two taps, in every pair of 16-bit lanes.
struct PairWeights {
  __m128i low, high;
};

__m128i both(int32_t first, int32_t second) {
  return _mm_set1_epi32(
      (first & 0xffff) |
      static_cast<int32_t>(static_cast<uint32_t>(second) << 16));
}

PairWeights pair_weights(int32_t first, int32_t second) {
  constexpr int32_t mask = (1 << kLowBits) - 1;
  return {.low = both(first & mask, second & mask),
          .high = both(first >> kLowBits, second >> kLowBits)};
}

/// Sums of products, in four 32-bit lanes.
struct Sums {
  __m128i low = _mm_set1_epi32(kHalf);
  __m128i high = _mm_setzero_si128();

  void add(__m128i pairs, const PairWeights& w) {
    low = _mm_add_epi32(low, _mm_madd_epi16(pairs, w.low));
    high = _mm_add_epi32(high, _mm_madd_epi16(pairs, w.high));
  }
  __m128i result() const {
    return _mm_srai_epi32(_mm_add_epi32(low, _mm_slli_epi32(high, kLowBits)),
                          kWeightBits);
  }
};

// Saturation does what rounded() does.
__m128i to_bytes(__m128i first, __m128i second) {
  const __m128i words = _mm_packs_epi32(first, second);
  return _mm_packus_epi16(words, words);
}

__m128i load_4(const uint8_t* from) {
  int32_t bytes = 0;
  std::memcpy(&bytes, from, sizeof bytes);
  return _mm_cvtsi32_si128(bytes);
}

__m128i load_8(const uint8_t* from) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
}

// Eight columns at a time.
void blend_8(const uint8_t* in, int64_t stride, const Taps& taps,
             uint8_t* out) {
  const __m128i zero = _mm_setzero_si128();
  Sums left;
  Sums right;
  for (int64_t k = 0; k < taps.count; k += 2) {
    const bool two = k + 1 < taps.count;
    const PairWeights w =
        pair_weights(taps.weights[k], two ? taps.weights[k + 1] : 0);
    const uint8_t* const row = in + k * stride;
    const __m128i bytes =
        _mm_unpacklo_epi8(load_8(row), load_8(two ? row + stride : row));
    left.add(_mm_unpacklo_epi8(bytes, zero), w);
    right.add(_mm_unpackhi_epi8(bytes, zero), w);
  }
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out),
                   to_bytes(left.result(), right.result()));
}

}  // namespace

void resample_rgb_row(const uint8_t* in, const Taps* taps, int64_t count,
                      uint8_t* out) {
  const __m128i zero = _mm_setzero_si128();
  for (int64_t x = 0; x < count; ++x, out += 3) {
    const uint8_t* pixel = in + taps[x].first * 3;
    const int32_t* const weights = taps[x].weights;
    Sums sums;
    for (int64_t k = 0; k < taps[x].count; k += 2, pixel += 6) {
      const bool two = k + 1 < taps[x].count;
      const __m128i bytes =
          _mm_unpacklo_epi8(load_4(pixel), load_4(two ? pixel + 3 : pixel));
      sums.add(_mm_unpacklo_epi8(bytes, zero),
               pair_weights(weights[k], two ? weights[k + 1] : 0));
    }
    const __m128i bytes = to_bytes(sums.result(), zero);
    const int32_t rgb = _mm_cvtsi128_si32(bytes);
    std::memcpy(out, &rgb, 3);
  }
}

void blend_rows(const uint8_t* in, int64_t stride, const Taps& taps,
                int64_t count, uint8_t* out) {
  if (count < 8) {
    for (int64_t i = 0; i < count; ++i) {
      int32_t sum = kHalf;
      for (int64_t k = 0; k < taps.count; ++k) {
        sum += in[i + k * stride] * taps.weights[k];
      }
      out[i] = rounded(sum);
    }
    return;
  }
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) blend_8(in + i, stride, taps, out + i);
  // The last eight, some of them again.
  if (i < count) blend_8(in + count - 8, stride, taps, out + count - 8);
}

}  // namespace soup
