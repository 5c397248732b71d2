#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "recipe/whole.h"

/// Which of very many numbers are among the largest: exactly so many, without
/// sorting and without holding them. Equal ones count in the order of their
/// index.
namespace soup {

/// The elements that are among the `rank` of largest magnitude.
struct Cut {
  double threshold = std::numeric_limits<double>::infinity();
  /// Where as many are equal to the threshold: those below this index.
  int64_t ties_end = 0;

  bool keeps(double magnitude, int64_t index) const {
    return magnitude > threshold ||
           (magnitude == threshold && index < ties_end);
  }
  /// True where no number can be among them.
  bool is_empty() const {
    return threshold == std::numeric_limits<double>::infinity() &&
           ties_end == 0;
  }
};

/// Numbers that are computed anew in every pass, several sequences of them.
struct Magnitudes {
  /// Given to a thread; computes sequence s of a span: not negative. A NaN
  /// counts as larger than any number.
  using Compute = std::function<void(const Span&, size_t s, double* out)>;

  std::function<Compute()> reader;
  /// All values are floats: half the passes.
  bool are_floats = true;
};

struct Wanted {
  size_t sequence = 0;
  int64_t rank = 0;  ///< how many of the largest
};

/// A cut for each of `wanted`, in up to three passes over the tensor (five,
/// where values are not floats).
std::vector<Cut> select(const WholeTensor& whole, const Magnitudes& magnitudes,
                        std::span<const Wanted> wanted);

}  // namespace soup
