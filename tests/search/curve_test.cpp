#include <gtest/gtest.h>

#include "search/table_evaluator.h"
#include "soup/search.h"

namespace soup {
namespace {

using testing::TableEvaluator;
using testing::vector_checkpoint;

TEST(Curve, ScoresThePointsOnTheLineOnEverySet) {
  const auto a = vector_checkpoint("a", {1, -1, -1, 1});
  const auto b = vector_checkpoint("b", {-3, 3, 1, -1});
  std::vector<std::unique_ptr<Evaluator>> sets;
  sets.push_back(std::make_unique<TableEvaluator>(3));
  auto last = std::make_unique<TableEvaluator>(1);
  last->first = 3;
  sets.push_back(std::move(last));
  const std::vector<double> alphas = {0, 0.24, 0.3, 1, -1, 2};
  std::vector<double> told;
  const auto points =
      curve({}, *a, *b, alphas, sets, nullptr,
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
