#include "search/trajectory.h"

#include <cmath>

#include "search/searches.h"
#include "soup/error.h"

namespace soup {
namespace {

std::vector<double> ema(double factor, size_t count) {
  if (!(factor > 0 && factor < 1)) {
    throw UsageError("--factor: must lie between 0 and 1");
  }
  std::vector<double> weights;
  double left = 1;  // of everything older
  for (size_t i = 1; i < count; ++i) {
    weights.insert(weights.begin(), (1 - factor) * left);
    left *= factor;
  }
  weights.insert(weights.begin(), left);
  return weights;
}

// The sum of the first checkpoint and the shares d_1 >= d_2 >= ... of the
// updates after it, sorted by checkpoints.
std::vector<double> scheduled(const std::vector<double>& shares, size_t count) {
  if (shares.size() + 1 != count) {
    throw UsageError("--schedule: " + std::to_string(count) +
                     " checkpoints have " + std::to_string(count - 1) +
                     " updates between them, " + std::to_string(shares.size()) +
                     " shares are given");
  }
  std::vector<double> weights;
  double before = 1;
  for (double share : shares) {
    if (!(share >= 0 && share <= before)) {
      throw UsageError("--schedule: shares go from 1 downwards to 0");
    }
    weights.push_back(before - share);
    before = share;
  }
  weights.push_back(before);
  return weights;
}

}  // namespace

std::vector<double> trajectory_weights(const Trajectory& along, size_t count) {
  if (along.last > count) {
    throw UsageError("--last " + std::to_string(along.last) +
                     ": there are only " + std::to_string(count) +
                     " checkpoints");
  }
  const size_t last = along.last == 0 ? count : along.last;
  switch (along.decay) {
    case Decay::kEma:
      return ema(along.factor, last);
    case Decay::kSchedule:
      return scheduled(along.schedule, last);
    case Decay::kMean:
    case Decay::kLinear:
      break;
  }
  std::vector<double> weights(last, 1);
  for (size_t i = 0; along.decay == Decay::kLinear && i < last; ++i) {
    weights[i] = static_cast<double>(i + 1);
  }
  return weights;
}

SearchResult trajectory(std::span<const CheckpointPtr> checkpoints,
                        Evaluator* /*evaluator*/,
                        const SearchOptions& options) {
  const std::vector<double> weights =
      trajectory_weights(options.trajectory, checkpoints.size());
  const size_t first = checkpoints.size() - weights.size();
  SearchResult result;
  result.recipe = options.recipe;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    result.recipe.ingredients.push_back(
        {.path = checkpoints[first + i]->path(), .weight = weights[i]});
  }
  return result;
}

}  // namespace soup
