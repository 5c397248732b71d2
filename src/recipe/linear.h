#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>

#include "recipe/exact.h"
#include "recipe/kernels.h"
#include "recipe/piece.h"
#include "soup/recipe.h"

/// The weighted mean, in parts: mix() sums all sources of a chunk and finishes
/// it; RunningSum keeps the sums between candidates.
namespace soup {

/// How a linear tensor is summed.
enum class Precision {
  kExact,   ///< equal weights, at most 16 bits: exact, rounded once
  kDouble,  ///< float64
  kPair,    ///< float64 inputs: float64 with an error term
};

/// Values summed at a time: sum and error of a chunk stay in the first caches.
inline constexpr size_t kChunk = 4096;

struct Linear {
  explicit Linear(const PlannedTensor&);

  const PlannedTensor& tensor;
  Precision precision = Precision::kDouble;
  size_t parts = 1;  ///< floats per element: 2 for complex numbers
  FloatFormat out = FloatFormat::kF32;
  bool is_mean = true;       ///< else the sum
  double divisor = 0;        ///< sum of the weights
  double divisor_error = 0;  ///< what rounding took from it
};

/// A chunk of sums.
struct Sums {
  std::array<double, kChunk> values;
  BitRange range;  ///< of what was added; kept for Precision::kExact only
};

/// Adds `n` floats of source `k` (in order of k; `first`: replaces) to `sums`.
void add_source(const Linear&, size_t k, const std::byte* in, size_t n,
                bool first, double* sums, BitRange& range);

/// Turns sums of all sources into means, in place. `source(k)` gives the floats
/// of source k again, for values that need more than their sum.
void divide(const Linear&, Sums& sums, size_t n,
            const std::function<const std::byte*(size_t k)>& source,
            Findings& findings);
/// Rounds means to the output's type.
void narrow(const Linear&, const double* means, size_t n, std::byte* out);

/// The rule; with float32 sums and products where numerics ask for them.
void make_linear(Piece&);

}  // namespace soup
