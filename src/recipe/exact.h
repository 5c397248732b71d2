#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/dtype.h"

/// Averages of 16-bit and 8-bit floats that equal exact arithmetic rounded
/// once.
namespace soup {

/// Where values lie: each is 0 or a multiple of 2^low below 2^high.
struct BitRange {
  int low = 2000;
  int high = -2000;

  void widen(const BitRange& other);
};

/// Range of all finite values of a float type of at most 16 bits.
BitRange range_of(DType dtype);
/// Range of one finite value.
BitRange range_of(double value);

/// True when the sum of `count` values in `range` is exact in float64, and
/// when the sum divided by `count`, rounded to float64 and then to a narrower
/// float type, is what rounding once would give.
///
/// The sum is a multiple of 2^low below count 2^high, hence exact if it has at
/// most 53 bits. A tie m of the narrower type with 2^e <= m < 2^(e+1),
/// e < high, is a multiple of 2^(e-24) or more coarsely spaced. So
/// |sum - count m| is 0 or at least min(2^low, 2^(e-24)), and the quotient's
/// distance from m, relative to 2^(e+1), is 0 or at least
/// min(2^(low-high), 2^-25) / count: more than the 2^-53 by which rounding to
/// float64 moves the quotient, which therefore falls on a tie only if it is
/// one.
bool is_exact_in_double(const BitRange& range, size_t count);

/// The mean of finite values that fit in float32 (their sum is kept as a fixed
/// point number of 352 bits), rounded so that rounding the result to a float
/// type of at most 24 bits gives the mean rounded once (round to odd), or,
/// with `nearest`, rounded to nearest even itself.
double exact_mean(std::span<const double> values, bool nearest);

}  // namespace soup
