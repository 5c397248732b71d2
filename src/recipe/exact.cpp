#include "recipe/exact.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

namespace soup {
namespace {

constexpr int kLowest = -149;  // float32's smallest value is 2^-149
constexpr size_t kGuard = 4;   // words below it, for the quotient
constexpr size_t kWords = 15;  // 32 bits each

// A number in two's complement, kGuard * 32 bits below 2^kLowest.
using Fixed = std::array<uint32_t, kWords>;

void add(Fixed& sum, double value) {
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(value), &exponent);
  auto mantissa = static_cast<uint64_t>(std::ldexp(fraction, 53));
  int shift = exponent - 53 - kLowest;
  if (shift < 0) {
    mantissa >>= -shift;  // zeros: the value is a multiple of 2^kLowest
    shift = 0;
  }
  // The mantissa, shifted by less than 32, covers three words.
  const auto word = kGuard + static_cast<size_t>(shift / 32);
  const int bits = shift % 32;
  const uint64_t low = (mantissa & 0xffff'ffffU) << bits;
  const uint64_t high = (mantissa >> 32) << bits;
  const uint64_t middle = (low >> 32) + (high & 0xffff'ffffU);
  const std::array<uint64_t, 3> parts = {
      low & 0xffff'ffffU, middle & 0xffff'ffffU, (high >> 32) + (middle >> 32)};
  const bool negative = std::signbit(value);
  uint64_t carry = negative ? 1 : 0;
  for (size_t i = word; i < kWords; ++i) {
    uint64_t part = i - word < parts.size() ? parts[i - word] : 0;
    if (negative) part = ~part & 0xffff'ffffU;
    carry += sum[i] + part;
    sum[i] = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
}

void negate(Fixed& number) {
  uint64_t carry = 1;
  for (uint32_t& word : number) {
    carry += ~word;
    word = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
}

// Divides in place, returns the remainder.
uint64_t divide(Fixed& number, uint64_t divisor) {
  uint64_t rest = 0;
  for (size_t i = kWords; i-- > 0;) {
    rest = (rest << 32) | number[i];
    number[i] = static_cast<uint32_t>(rest / divisor);
    rest %= divisor;
  }
  return rest;
}

}  // namespace

void BitRange::widen(const BitRange& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
}

BitRange range_of(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return {-133, 128};
    case DType::kF16:
      return {-24, 16};
    case DType::kF8E4M3:
      return {-9, 9};
    case DType::kF8E5M2:
      return {-16, 16};
    case DType::kF8E4M3Fnuz:
      return {-10, 8};
    case DType::kF8E5M2Fnuz:
      return {-17, 16};
    default:
      throw std::logic_error("not a float type of at most 16 bits");
  }
}

BitRange range_of(double value) {
  if (value == 0) return {};
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(value), &exponent);
  const auto mantissa = static_cast<uint64_t>(std::ldexp(fraction, 53));
  return {exponent - 53 + std::countr_zero(mantissa), exponent};
}

bool is_exact_in_double(const BitRange& range, size_t count) {
  const int growth = std::bit_width(count - 1);
  return range.high - range.low + growth <= 52 && growth <= 24;
}

double exact_mean(std::span<const double> values, bool nearest) {
  Fixed sum{};
  for (double value : values) add(sum, value);
  const bool negative = (sum.back() >> 31) != 0;
  if (negative) negate(sum);
  bool sticky = divide(sum, values.size()) != 0;
  size_t top = kWords - 1;
  while (top > 0 && sum[top] == 0) --top;
  if (sum[top] == 0) return 0;
  // 64 bits from the highest one that is set; what lies below is sticky.
  const auto word = [&](size_t below) {
    return uint64_t{below <= top ? sum[top - below] : 0};
  };
  const int shift = std::countl_zero(sum[top]);
  uint64_t leading = (word(0) << 32 | word(1)) << shift;
  if (shift > 0) leading |= word(2) >> (32 - shift);
  sticky = sticky || static_cast<uint32_t>(word(2) << shift) != 0;
  for (size_t i = 3; i <= top; ++i) sticky = sticky || word(i) != 0;
  const int exponent =
      kLowest + 32 * (static_cast<int>(top) - 1 - static_cast<int>(kGuard)) -
      shift;
  double magnitude = 0;
  if (nearest) {
    magnitude = static_cast<double>(leading | (sticky ? 1U : 0U));
  } else {
    sticky = sticky || (leading & 0x7ffU) != 0;
    const uint64_t odd = (leading >> 11) | (sticky ? 1U : 0U);
    magnitude = std::ldexp(static_cast<double>(odd), 11);
  }
  magnitude = std::ldexp(magnitude, exponent);
  return negative ? -magnitude : magnitude;
}

}  // namespace soup
