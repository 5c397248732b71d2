#pragma once

#include <array>
#include <vector>

#include "recipe/rounding.h"
#include "recipe/runs.h"
#include "recipe/thinning.h"

/// The rules that add up what models differ from their base.
namespace soup {

/// Values of a run.
using Values = std::array<double, kRun>;

/// What a tensor's task vectors have in common.
struct Task {
  const PlannedTensor& tensor;
  std::vector<size_t> donors;
  const Thinned* thinned;
  bool normalize;
  double lambda;

  explicit Task(const Piece& piece);

  const Thinning& thinning(size_t donor) const;
  double weight(size_t donor) const {
    return tensor.sources[donors[donor]].weight;
  }
  /// Divisor of a normalized sum: one where the weights cancel out.
  double sum_of_weights(const Rounding& rounding) const;
};

}  // namespace soup
