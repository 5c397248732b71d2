#include <array>

#include "soup/search.h"

namespace soup {

Recipe between(Recipe recipe, const Checkpoint& a, const Checkpoint& b,
               double alpha) {
  recipe.ingredients = {{.path = a.path(), .weight = 1 - alpha},
                        {.path = b.path(), .weight = alpha}};
  return recipe;
}

std::vector<CurvePoint> curve(
    const Recipe& recipe, const Checkpoint& a, const Checkpoint& b,
    std::span<const double> alphas,
    std::span<const std::unique_ptr<Evaluator>> evaluators,
    BatchNormStatistics* batch_norm,
    const std::function<void(const CurvePoint&)>& on_point) {
  std::vector<const Evaluator*> all;
  for (const auto& evaluator : evaluators) all.push_back(evaluator.get());
  const auto progress =
      evaluation_progress("interpolating", all, std::ssize(alphas));
  const std::array<const Checkpoint*, 2> ends = {&a, &b};
  std::vector<CurvePoint> points;
  for (double alpha : alphas) {
    CheckpointPtr weights = soup_in_memory(between(recipe, a, b, alpha), ends);
    const bool is_mixture = alpha != 0 && alpha != 1;
    if (batch_norm != nullptr && is_mixture) {
      weights = batch_norm->recompute(*weights);
    }
    CurvePoint point{.alpha = alpha, .scores = {}};
    for (const auto& evaluator : evaluators) {
      point.scores.push_back(
          evaluator->evaluate(*weights, {.progress = progress.get()}).value());
    }
    on_point(point);
    points.push_back(std::move(point));
  }
  return points;
}

size_t best_point(std::span<const CurvePoint> points) {
  size_t best = 0;
  for (size_t i = 1; i < points.size(); ++i) {
    if (is_better(points[i].scores.front(), points[best].scores.front(),
                  true)) {
      best = i;
    }
  }
  return best;
}

}  // namespace soup
