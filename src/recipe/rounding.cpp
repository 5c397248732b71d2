#include "recipe/rounding.h"

#include <algorithm>
#include <array>

#include "recipe/runs.h"

namespace soup {

Rounding::Rounding(const PlannedTensor& tensor)
    : active_(tensor.numerics == Numerics::kMergekit),
      format_(float_format(active_ ? tensor.work : DType::kF64)) {}

void Rounding::operator()(double* values, size_t n) const {
  sum(values, n);
  if (!active_ || format_bytes(format_) >= 4) return;
  std::array<std::byte, kRun * 2> narrow;
  const auto format = static_cast<size_t>(format_);
  for (size_t begin = 0; begin < n; begin += kRun) {
    const size_t count = std::min(kRun, n - begin);
    kernels().narrow[format](values + begin, count, narrow.data());
    kernels().accumulate[format](narrow.data(), count, 1, true, values + begin);
  }
}

double Rounding::operator()(double value) const {
  (*this)(&value, 1);
  return value;
}

void Rounding::sum(double* values, size_t n) const {
  if (!active_ || format_ == FloatFormat::kF64) return;
  for (size_t i = 0; i < n; ++i) {
    values[i] = static_cast<double>(static_cast<float>(values[i]));
  }
}

double Rounding::sum(double value) const {
  sum(&value, 1);
  return value;
}

}  // namespace soup
