#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "search/run.h"

namespace soup {

/// The candidates in the order of their visit.
struct Ranking {
  std::vector<size_t> order;
  std::vector<Score> scores;  ///< by rank; empty when singles were not scored
  /// Verdicts of the first; nullopt when its score was taken from a file.
  std::optional<Incumbent> first;
};

/// Orders the run's checkpoints (which are in natural order) as asked for. For
/// Order::kScore every one that has no known score is scored; ties keep
/// natural order.
/// Throws Error when a known score was taken on another number of examples or
/// with another metric.
Ranking rank(Run& run);

/// `0..count-1` in an order drawn from `seed`, the same everywhere.
std::vector<size_t> random_order(size_t count, uint64_t seed);

}  // namespace soup
