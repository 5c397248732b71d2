#include "recipe/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "recipe/kernels_variants.h"
#include "recipe/values.h"

namespace soup {
namespace {

using testing::decode;
using testing::encode;
using testing::Random;

constexpr std::array kSmallTypes = {DType::kBF16,       DType::kF16,
                                    DType::kF8E4M3,     DType::kF8E5M2,
                                    DType::kF8E4M3Fnuz, DType::kF8E5M2Fnuz};

// Every value of a type by its code, decoded by this simple program.
double value_of(DType dtype, uint32_t code) {
  struct Layout {
    int exponent_bits, mantissa_bits, bias;
    bool infinities, fnuz;
  };
  const auto layout = [&]() -> Layout {
    switch (dtype) {
      case DType::kBF16:
        return {8, 7, 127, true, false};
      case DType::kF16:
        return {5, 10, 15, true, false};
      case DType::kF8E4M3:
        return {4, 3, 7, false, false};
      case DType::kF8E5M2:
        return {5, 2, 15, true, false};
      case DType::kF8E4M3Fnuz:
        return {4, 3, 8, false, true};
      default:
        return {5, 2, 16, false, true};
    }
  }();
  const uint32_t sign = code >> (layout.exponent_bits + layout.mantissa_bits);
  const uint32_t top = (1U << layout.exponent_bits) - 1;
  const uint32_t exponent = (code >> layout.mantissa_bits) & top;
  const uint32_t mantissa = code & ((1U << layout.mantissa_bits) - 1);
  const bool all_ones = mantissa == (1U << layout.mantissa_bits) - 1;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (layout.fnuz && sign == 1 && exponent == 0 && mantissa == 0) return kNan;
  if (layout.infinities && exponent == top) {
    if (mantissa != 0) return kNan;
    return sign == 1 ? -INFINITY : INFINITY;
  }
  if (!layout.infinities && !layout.fnuz && exponent == top && all_ones) {
    return kNan;
  }
  const double fraction = std::ldexp(mantissa, -layout.mantissa_bits);
  const double magnitude =
      exponent == 0
          ? std::ldexp(fraction, 1 - layout.bias)
          : std::ldexp(1 + fraction, static_cast<int>(exponent) - layout.bias);
  return sign == 1 ? -magnitude : magnitude;
}

std::vector<std::byte> all_codes(DType dtype) {
  std::vector<std::byte> bytes;
  if (bits(dtype) == 8) {
    for (int code = 0; code < 256; ++code) bytes.push_back(std::byte(code));
    return bytes;
  }
  std::vector<uint16_t> codes(65536);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
  return testing::raw(codes);
}

TEST(Kernels, DecodeEveryCodeOfSmallTypes) {
  for (DType dtype : kSmallTypes) {
    const std::vector<double> values = decode(dtype, all_codes(dtype));
    for (size_t code = 0; code < values.size(); ++code) {
      const double expected = value_of(dtype, static_cast<uint32_t>(code));
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(values[code])) << name(dtype) << " " << code;
        continue;
      }
      ASSERT_EQ(std::bit_cast<uint64_t>(values[code]),
                std::bit_cast<uint64_t>(expected))
          << name(dtype) << " " << code;
    }
  }
}

TEST(Kernels, EncodeIsTheInverseOfDecode) {
  for (DType dtype : kSmallTypes) {
    const std::vector<std::byte> codes = all_codes(dtype);
    const std::vector<double> values = decode(dtype, codes);
    const std::vector<std::byte> again = encode(dtype, values);
    const size_t size = codes.size() / values.size();
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i])) continue;
      ASSERT_EQ(std::memcmp(&codes[i * size], &again[i * size], size), 0)
          << name(dtype) << " " << i;
    }
  }
}

// Between two neighbours every double goes to the nearer one, and to the even
// one from half-way; beyond the largest there is infinity or NaN.
TEST(Kernels, EncodeRoundsToNearestEven) {
  for (DType dtype : kSmallTypes) {
    const uint32_t sign = 1U << (bits(dtype) - 1);
    for (uint32_t code = 0; code + 1 < sign; ++code) {
      const double low = value_of(dtype, code);
      double high = value_of(dtype, code + 1);
      if (!std::isfinite(low)) break;
      // What the next code would be worth if it were a number.
      const bool last = !std::isfinite(high);
      if (last) high = low + (low - value_of(dtype, code - 1));
      const double middle = (low + high) / 2;
      const uint32_t even = code % 2 == 0 ? code : code + 1;
      const std::vector<double> in = {std::nextafter(middle, low), middle,
                                      std::nextafter(middle, high), -middle};
      const std::vector<double> out = decode(dtype, encode(dtype, in));
      const double above = value_of(dtype, code + 1);
      const double tie = value_of(dtype, even);
      EXPECT_EQ(out[0], low) << name(dtype) << " " << code;
      for (const auto& [found, expected] :
           {std::pair{out[1], tie}, std::pair{out[2], above},
            std::pair{-out[3], tie}}) {
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(found)) << name(dtype) << " " << code;
        } else {
          EXPECT_EQ(found, expected) << name(dtype) << " " << code;
        }
      }
    }
  }
}

TEST(Kernels, EncodeWhatIsTooLargeAsTorchDoes) {
  const std::vector<double> large = {1e300, -1e300, INFINITY, -INFINITY};
  const auto hex = [&](DType dtype) {
    std::string text;
    for (std::byte b : encode(dtype, large)) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      text += kDigits[static_cast<size_t>(b) >> 4];
      text += kDigits[static_cast<size_t>(b) & 15];
    }
    return text;
  };
  EXPECT_EQ(hex(DType::kBF16), "807f80ff807f80ff");
  EXPECT_EQ(hex(DType::kF16), "007c00fc007c00fc");
  EXPECT_EQ(hex(DType::kF8E5M2), "7cfc7cfc");
  EXPECT_EQ(hex(DType::kF8E4M3), "7fff7fff");
  EXPECT_EQ(hex(DType::kF8E4M3Fnuz), "80808080");
  EXPECT_EQ(hex(DType::kF8E5M2Fnuz), "80808080");
}

TEST(Kernels, EveryNanBecomesTheSame) {
  const std::vector<double> nans = {
      std::bit_cast<double>(0x7ff0'0000'0000'0001U),
      std::bit_cast<double>(0xfff8'1234'5678'9abcU)};
  EXPECT_EQ(
      encode(DType::kF64, nans),
      testing::raw<uint64_t>({0x7ff8'0000'0000'0000U, 0x7ff8'0000'0000'0000U}));
  EXPECT_EQ(encode(DType::kF32, nans),
            testing::raw<uint32_t>({0x7fc0'0000U, 0x7fc0'0000U}));
  EXPECT_EQ(encode(DType::kBF16, nans),
            testing::raw<uint16_t>({0x7fc0U, 0x7fc0U}));
  EXPECT_EQ(encode(DType::kF16, nans),
            testing::raw<uint16_t>({0x7e00U, 0x7e00U}));
}

// Bits of every kind: normal, subnormal, infinite, NaN.
std::vector<std::byte> hostile_bits(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<uint64_t> words(n);
  for (uint64_t& word : words) word = random.next();
  return testing::raw(words);
}

void expect_same_bits(const std::vector<double>& a,
                      const std::vector<double>& b, const char* what) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;  // made one by narrow
    ASSERT_EQ(std::bit_cast<uint64_t>(a[i]), std::bit_cast<uint64_t>(b[i]))
        << what << " " << i;
  }
}

class EveryVariant : public ::testing::TestWithParam<const Kernels*> {
 protected:
  static constexpr size_t kCount = 4099;  // with a tail for every vector
  const Kernels& variant_ = *GetParam();
};

TEST_P(EveryVariant, ReadsAndSumsLikeTheBase) {
  const std::vector<std::byte> in = hostile_bits(kCount + 1, 1);
  for (size_t f = 0; f < kFloatFormats; ++f) {
    std::vector<double> expected = testing::random_weights(kCount, 2);
    std::vector<double> found = expected;
    for (bool first : {true, false}) {
      // One byte in: values are of any alignment.
      kBaseKernels.accumulate[f](in.data() + 1, kCount, 0.3, first,
                                 expected.data());
      variant_.accumulate[f](in.data() + 1, kCount, 0.3, first, found.data());
      expect_same_bits(expected, found, variant_.name);
    }
  }
}

TEST_P(EveryVariant, WritesLikeTheBase) {
  std::vector<double> in(kCount);
  std::memcpy(in.data(), hostile_bits(kCount, 3).data(), kCount * 8);
  const std::vector<double> weights = testing::random_weights(kCount, 4);
  in.insert(in.end(), weights.begin(), weights.end());
  for (double x : testing::random_weights(kCount, 5)) in.push_back(x * 1e-6);
  for (size_t f = 0; f < kFloatFormats; ++f) {
    std::vector<std::byte> expected(in.size() * 8 + 1);
    std::vector<std::byte> found(in.size() * 8 + 1);
    kBaseKernels.narrow[f](in.data(), in.size(), expected.data() + 1);
    variant_.narrow[f](in.data(), in.size(), found.data() + 1);
    EXPECT_EQ(expected, found) << variant_.name << " format " << f;
  }
}

TEST_P(EveryVariant, DividesAndChecksLikeTheBase) {
  std::vector<double> a = testing::random_weights(kCount, 6);
  a[7] = INFINITY;
  a[8] = -0.0;
  std::vector<double> e = testing::random_weights(kCount, 7);
  for (double& x : e) x *= 1e-17;
  std::vector<double> a2 = a;
  std::vector<double> e2 = e;
  kBaseKernels.accumulate_pair(e.data(), kCount, 0.7, false, a.data(),
                               e.data());
  variant_.accumulate_pair(e2.data(), kCount, 0.7, false, a2.data(), e2.data());
  expect_same_bits(e, e2, variant_.name);
  kBaseKernels.divide_pair(a.data(), e.data(), kCount, 2.7, 1e-17);
  variant_.divide_pair(a2.data(), e2.data(), kCount, 2.7, 1e-17);
  expect_same_bits(a, a2, variant_.name);
  kBaseKernels.divide(a.data(), kCount, 3);
  variant_.divide(a2.data(), kCount, 3);
  expect_same_bits(a, a2, variant_.name);
  EXPECT_FALSE(variant_.all_finite(a.data(), kCount));
  EXPECT_TRUE(variant_.all_finite(a.data(), 7));
  a[4098] = NAN;
  EXPECT_FALSE(variant_.all_finite(a.data() + 9, kCount - 9));
}

TEST_P(EveryVariant, FindsTheRangeOfBF16) {
  const std::vector<std::byte> in = testing::raw<uint16_t>(
      {0x0000, 0x8000, 0x8123, 0x0042, 0xff00, 0x0000, 0x3f80});
  uint16_t low = 0xffff;
  uint16_t high = 0;
  variant_.bf16_range(in.data(), 7, &low, &high);
  EXPECT_EQ(low, 0x0041);
  EXPECT_EQ(high, 0x7f00);
}

INSTANTIATE_TEST_SUITE_P(Kernels, EveryVariant,
                         ::testing::ValuesIn(kernel_variants().begin(),
                                             kernel_variants().end()),
                         [](const auto& variant) {
                           return variant.param->name;
                         });

}  // namespace
}  // namespace soup
