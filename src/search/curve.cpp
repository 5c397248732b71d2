#include "soup/search.h"

namespace soup {

Recipe between(Recipe recipe, const Checkpoint& a, const Checkpoint& b,
               double alpha) {
  recipe.ingredients = {{.path = a.path(), .weight = 1 - alpha},
                        {.path = b.path(), .weight = alpha}};
  return recipe;
}

std::vector<CurvePoint> curve(
    Scoring& scoring, std::span<const double> alphas, size_t sets,
    Progress* progress,
    const std::function<void(const CurvePoint&)>& on_point) {
  std::vector<Scoring::Item> items;
  for (const double alpha : alphas) {
    for (size_t set = 0; set < sets; ++set) {
      items.push_back({.set = set, .weights = {1 - alpha, alpha}});
    }
  }
  scoring.expect(items);
  std::vector<CurvePoint> points;
  for (size_t i = 0; i < alphas.size(); ++i) {
    CurvePoint point{.alpha = alphas[i], .scores = {}};
    for (size_t set = 0; set < sets; ++set) {
      point.scores.push_back(
          scoring.score(items[i * sets + set], {.progress = progress}));
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
