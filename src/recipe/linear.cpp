#include "recipe/linear.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "recipe/rule_bodies.h"

namespace soup {
namespace {

constexpr size_t kMeasuredChunk = 32;  // one in so many is measured

using SourceFloats = std::function<const std::byte*(size_t k)>;

FloatFormat format_of(const Source& source) {
  return float_format(source.dtype);
}

void widen(const Source& source, const std::byte* in, size_t n, double* out) {
  kernels().accumulate[static_cast<size_t>(format_of(source))](in, n, 1, true,
                                                               out);
}

int64_t count_nonfinite(const Source& source, const std::byte* in, size_t n) {
  std::array<double, kChunk> values;
  widen(source, in, n, values.data());
  return std::count_if(values.begin(), values.begin() + n,
                       [](double x) { return !std::isfinite(x); });
}

BitRange bf16_range(const std::byte* in, size_t n) {
  uint16_t below = 0xffff;
  uint16_t largest = 0;
  kernels().bf16_range(in, n, &below, &largest);
  if (largest == 0) return {};
  // Subnormals share the exponent of the smallest normal number.
  const int smallest = std::max((below + 1) >> 7, 1);
  return {smallest - 134, std::max(largest >> 7, 1) - 126};
}

// The elements whose values lie too far apart for sums in float64, one by one.
void mend_inexact(const Linear& linear, size_t n, const SourceFloats& source,
                  double* means) {
  const std::vector<Source>& sources = linear.tensor.sources;
  const size_t count = sources.size();
  constexpr size_t kRun = 256;
  std::vector<double> values(count * kRun);
  std::vector<double> column(count);
  for (size_t begin = 0; begin < n; begin += kRun) {
    const size_t run = std::min(kRun, n - begin);
    for (size_t k = 0; k < count; ++k) {
      const std::byte* in =
          source(k) + begin * format_bytes(format_of(sources[k]));
      widen(sources[k], in, run, &values[k * kRun]);
    }
    for (size_t i = 0; i < run; ++i) {
      if (!std::isfinite(means[begin + i])) continue;
      BitRange range;
      for (size_t k = 0; k < count; ++k) {
        column[k] = values[k * kRun + i];
        range.widen(range_of(column[k]));
      }
      if (is_exact_in_double(range, count)) continue;
      means[begin + i] = exact_mean(column, linear.out == FloatFormat::kF64);
    }
  }
}

// float64 inputs: the sum's rounding errors are summed apart, so that equal
// models average to themselves.
void pair_means(const Linear& linear, size_t n, const SourceFloats& source,
                Findings& findings, double* sums) {
  const std::vector<Source>& sources = linear.tensor.sources;
  std::array<double, kChunk> values;
  std::array<double, kChunk> errors;
  for (size_t k = 0; k < sources.size(); ++k) {
    widen(sources[k], source(k), n, values.data());
    if (!kernels().all_finite(values.data(), n)) {
      findings.nonfinite[k] += count_nonfinite(sources[k], source(k), n);
    }
    kernels().accumulate_pair(values.data(), n, sources[k].weight, k == 0, sums,
                              errors.data());
  }
  kernels().divide_pair(sums, errors.data(), n, linear.divisor,
                        linear.divisor_error);
}

// Sum of (a - b)^2, in parts that do not wait for each other.
double square_distance(const double* a, const double* b, size_t n) {
  constexpr size_t kParts = 8;
  std::array<double, kParts> sums{};
  size_t i = 0;
  for (; i + kParts <= n; i += kParts) {
    for (size_t j = 0; j < kParts; ++j) {
      const double d = a[i + j] - b[i + j];
      sums[j] += d * d;
    }
  }
  for (; i < n; ++i) sums[0] += (a[i] - b[i]) * (a[i] - b[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

void measure(const Linear& linear, const double* means, size_t n,
             const SourceFloats& source, Distances& distances) {
  const std::vector<Source>& sources = linear.tensor.sources;
  std::array<double, kChunk> values{};
  distances.mean_square += square_distance(means, values.data(), n);
  distances.count += static_cast<int64_t>(n);
  for (size_t k = 0; k < sources.size(); ++k) {
    widen(sources[k], source(k), n, values.data());
    distances.squares[k] += square_distance(values.data(), means, n);
  }
}

}  // namespace

Linear::Linear(const PlannedTensor& planned) : tensor(planned) {
  const std::vector<Source>& sources = tensor.sources;
  const bool complex = info(tensor.out.dtype).kind == DTypeKind::kComplex;
  parts = complex ? 2 : 1;
  out = float_format(tensor.out.dtype);
  bool small = true;
  bool wide = false;
  for (const Source& source : sources) {
    small = small && format_bytes(format_of(source)) <= 2 &&
            source.weight == sources.front().weight;
    wide = wide || format_of(source) == FloatFormat::kF64;
    const double sum = divisor + source.weight;
    const double back = sum - divisor;
    divisor_error += (divisor - (sum - back)) + (source.weight - back);
    divisor = sum;
  }
  const auto normalize = tensor.settings.find("normalize");
  is_mean = normalize == tensor.settings.end() || normalize->second != 0;
  if (!is_mean) {
    divisor = 1;
    divisor_error = 0;
  }
  // make_plan gives equal weights of a mean as 1.
  small = small && is_mean && sources.front().weight == 1;
  if (small) precision = Precision::kExact;
  if (wide) precision = Precision::kPair;
}

void add_source(const Linear& linear, size_t k, const std::byte* in, size_t n,
                bool first, double* sums, BitRange& range) {
  const Source& source = linear.tensor.sources[k];
  kernels().accumulate[static_cast<size_t>(format_of(source))](
      in, n, source.weight, first, sums);
  if (linear.precision != Precision::kExact) return;
  range.widen(source.dtype == DType::kBF16 ? bf16_range(in, n)
                                           : range_of(source.dtype));
}

void divide(const Linear& linear, Sums& sums, size_t n,
            const SourceFloats& source, Findings& findings) {
  const std::vector<Source>& sources = linear.tensor.sources;
  double* values = sums.values.data();
  // A sum is finite only if all its terms are.
  if (!kernels().all_finite(values, n)) {
    for (size_t k = 0; k < sources.size(); ++k) {
      findings.nonfinite[k] += count_nonfinite(sources[k], source(k), n);
    }
  }
  kernels().divide(values, n, linear.divisor);
  if (linear.precision == Precision::kExact &&
      !is_exact_in_double(sums.range, sources.size())) {
    mend_inexact(linear, n, source, values);
  }
}

void narrow(const Linear& linear, const double* means, size_t n,
            std::byte* out) {
  kernels().narrow[static_cast<size_t>(linear.out)](means, n, out);
}

void make_linear(Piece& piece) {
  if (piece.tensor.numerics == Numerics::kMergekit &&
      is_float(piece.tensor.out.dtype)) {
    make_linear_per_operation(piece);
    return;
  }
  const Linear linear(piece.tensor);
  const std::vector<Source>& sources = piece.tensor.sources;
  const size_t floats = piece.count * linear.parts;
  const size_t first_chunk =
      static_cast<size_t>(piece.begin) * linear.parts / kChunk;
  Sums sums;
  for (size_t begin = 0; begin < floats; begin += kChunk) {
    const size_t n = std::min(kChunk, floats - begin);
    const SourceFloats source = [&](size_t k) {
      return piece.source(k) + begin * format_bytes(format_of(sources[k]));
    };
    if (linear.precision == Precision::kPair) {
      pair_means(linear, n, source, piece.findings, sums.values.data());
    } else {
      sums.range = {};
      for (size_t k = 0; k < sources.size(); ++k) {
        add_source(linear, k, source(k), n, k == 0, sums.values.data(),
                   sums.range);
      }
      divide(linear, sums, n, source, piece.findings);
    }
    if (linear.is_mean &&
        (first_chunk + begin / kChunk) % kMeasuredChunk == 0) {
      measure(linear, sums.values.data(), n, source, piece.findings.distances);
    }
    narrow(linear, sums.values.data(), n,
           piece.out.data() + begin * format_bytes(linear.out));
  }
}

}  // namespace soup
