#pragma once

#include <cstddef>
#include <cstdint>

/// Loops over task vectors, compiled once per instruction set as those of
/// recipe/kernels.h.
namespace soup {

/// Elements of models whose task vectors have one sign: the sum of what they
/// add, their share in it, and their weights.
struct SideSums {
  double* sum = nullptr;
  double* share = nullptr;
  double* weight = nullptr;
};

/// Draws that are made at once: so many that compilers take the loop over them
/// for one to vectorise, not to unroll.
inline constexpr size_t kDrawsAtOnce = 128;

struct TaskKernels {
  /// values[i] -= from[i].
  void (*subtract)(const double* from, size_t n, double* values);
  /// In eight sums that are added up in their order.
  double (*dot_product)(const double* a, const double* b, size_t n);
  /// Magnitudes, rounded to float32 where `floats`. In place is allowed.
  void (*magnitudes)(const double* values, size_t n, bool floats, double* out);
  /// Bits of the magnitudes in float32, which order as the magnitudes do.
  void (*float_keys)(const double* values, size_t n, uint64_t* keys);
  size_t (*count_equal)(const uint64_t* keys, size_t n, uint64_t key);
  /// shares[i] is 1 where a magnitude (see above) is larger than `limit`, or
  /// equal to it among the first `ties`, else 0.
  void (*larger)(const double* values, size_t n, bool floats, double limit,
                 size_t ties, double* shares);
  /// 1 where draws are below `limit`, else 0.
  void (*smaller)(const uint32_t* draws, size_t n, uint64_t limit,
                  double* shares);
  /// Bits [begin, begin + n) as 0 and 1.
  void (*unpack)(const uint64_t* bits, size_t begin, size_t n, double* shares);
  /// Draws of the philox blocks from `block` on, see core/philox.h.
  void (*draw)(uint64_t block, uint32_t ingredient, uint64_t key,
               uint32_t* draws);
  /// Sets bit i of `words` where draw i, as a number of [0, 1), is below
  /// start + step * ranks[i]; clears the others of the last word.
  void (*stay_by_rank)(const uint32_t* ranks, const uint32_t* draws, size_t n,
                       double start, double step, uint64_t* words);
  /// sum += factor * shares * x; share += factor * shares.
  void (*add_shares)(const double* x, const double* shares, size_t n,
                     double factor, double* sum, double* share);
  /// total += factor * shares * difference; x, the factor and the weight go to
  /// the side of the sign that this term has.
  void (*add_by_sign)(const double* x, const double* difference,
                      const double* shares, size_t n, double factor,
                      double weight, double* total, const SideSums& up,
                      const SideSums& down);
  /// Where not total >= 0 `up` becomes `down`.
  void (*choose_side)(const double* total, size_t n, const SideSums& up,
                      const SideSums& down);
  /// (1 - lambda share / d) base + lambda sum / d; a divisor of zero counts as
  /// one.
  void (*finish_sum)(const double* sum, const double* share,
                     const double* divisor, const double* base, size_t n,
                     double lambda, double* out);
};

}  // namespace soup
