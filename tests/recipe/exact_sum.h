#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace soup::testing {

/// An exact sum of integer multiples of floats that float32 can hold (and of
/// half-way points between them): digits of 24 bits, carried only when the sign
/// is asked for. Deliberately made another way than the code it judges.
class ExactSum {
 public:
  void add(int64_t times, double value) {
    if (value == 0) return;
    int exponent = 0;
    // value = digits 2^exponent, digits an odd integer below 2^53.
    double digits = std::frexp(value, &exponent);
    while (digits != std::trunc(digits)) {
      digits *= 2;
      --exponent;
    }
    const int place = exponent + kOffset;
    const auto slot = static_cast<size_t>(place / 24);
    const int64_t shifted =
        static_cast<int64_t>(digits) * times * (int64_t{1} << (place % 24));
    digits_[slot] += shifted % kBase;
    digits_[slot + 1] += shifted / kBase;
  }

  /// -1, 0 or 1.
  int sign() const {
    std::array<int64_t, kDigits> digits = digits_;
    for (size_t i = 0; i + 1 < kDigits; ++i) {
      int64_t carry = digits[i] / kBase;
      int64_t rest = digits[i] % kBase;
      if (rest < 0) {
        rest += kBase;
        --carry;
      }
      digits[i] = rest;
      digits[i + 1] += carry;
    }
    if (digits.back() < 0) return -1;
    for (int64_t digit : digits) {
      if (digit != 0) return 1;
    }
    return 0;
  }

 private:
  static constexpr int kOffset = 192;  // below 2^-149
  static constexpr size_t kDigits = 16;
  static constexpr int64_t kBase = 1 << 24;

  std::array<int64_t, kDigits> digits_{};
};

}  // namespace soup::testing
