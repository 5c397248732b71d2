#pragma once

#include <functional>

#include "recipe/piece.h"

/// Rules that compute in float64: inputs are widened run by run, what comes
/// out is rounded once.
namespace soup {

/// Values computed at a time: a handful of runs stay in the first cache.
inline constexpr size_t kRun = 1024;

/// `n` values of `dtype` (a float type) in float64.
void widen(DType dtype, const std::byte* in, size_t n, double* out);

/// A run of values of a piece.
struct Run {
  Piece& piece;
  size_t begin = 0;  ///< within the piece
  size_t n = 0;      ///< at most kRun

  /// Index of the first value in the tensor.
  int64_t element() const { return piece.begin + static_cast<int64_t>(begin); }
  /// Values of source k; what is not finite is noted.
  void read(size_t k, double* out) const;
};

/// Makes `piece` of what `work` puts into `out`, run by run.
void make_runs(Piece& piece,
               const std::function<void(const Run&, double* out)>& work);

/// What the rule's prepare() found.
template <typename T>
const T& prepared(const Piece& piece) {
  return static_cast<const T&>(*piece.prepared);
}

/// Setting `name`, filled in by the planner.
double setting(const Settings& settings, std::string_view name);

/// Sources of a tensor that are not its base model.
std::vector<size_t> donors(const PlannedTensor& tensor);

}  // namespace soup
