#pragma once

#include <cstddef>
#include <vector>

#include "soup/search.h"

namespace soup {

/// The weights of the last checkpoints of `count`, 1 in sum but for kMean and
/// kLinear. Throws UsageError for options that make none.
std::vector<double> trajectory_weights(const Trajectory& along, size_t count);

}  // namespace soup
