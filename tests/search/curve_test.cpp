#include <gtest/gtest.h>

#include "search/table_evaluator.h"
#include "soup/search.h"

namespace soup {
namespace {

using testing::TableEvaluator;
using testing::vector_checkpoint;

TEST(Curve, ScoresThePointsOnTheLineOnEverySet) {
  std::vector<CheckpointPtr> ends;
  ends.push_back(vector_checkpoint("a", {1, -1, -1, 1}));
  ends.push_back(vector_checkpoint("b", {-3, 3, 1, -1}));
  TableEvaluator start(3);
  TableEvaluator last(1);
  last.first = 3;
  const std::vector<Evaluator*> sets = {&start, &last};
  Scoring scoring("interpolate", ends, sets, {});
  const std::vector<double> alphas = {0, 0.24, 0.3, 1, -1, 2};
  std::vector<double> told;
  const auto points =
      curve(scoring, alphas, sets.size(), nullptr,
            [&](const CurvePoint& point) { told.push_back(point.alpha); });
  EXPECT_EQ(told, alphas);
  ASSERT_EQ(points.size(), alphas.size());
  // (1 - alpha) a + alpha b, element by element.
  const std::vector<int64_t> first = {1, 1, 1, 2, 1, 2};
  const std::vector<int64_t> second = {1, 1, 1, 0, 1, 0};
  for (size_t i = 0; i < points.size(); ++i) {
    EXPECT_EQ(points[i].scores[0].correct, first[i]) << alphas[i];
    EXPECT_EQ(points[i].scores[1].correct, second[i]) << alphas[i];
  }
  EXPECT_EQ(best_point(points), 3U);  // of equal ones the first
}

}  // namespace
}  // namespace soup
