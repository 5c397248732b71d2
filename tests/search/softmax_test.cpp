#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "search/table_evaluator.h"
#include "soup/search.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::TableEvaluator;
using testing::vector_checkpoint;

std::vector<CheckpointPtr> zoo() {
  std::vector<CheckpointPtr> all;
  all.push_back(vector_checkpoint("a", {2, 1, -1, 3}));
  all.push_back(vector_checkpoint("b", {1, 1, 1, 1}));
  all.push_back(vector_checkpoint("c", {-2, 0, -1, 2}));
  return all;
}

// torch.softmax(-losses / 0.2, 0) of softplus(-margins).mean(1), float64.
TEST(Softmax, WeighsByLosses) {
  TableEvaluator evaluator(4);
  evaluator.loss = true;
  const auto result =
      find_search("softmax").run(zoo(), &evaluator, {.temperature = 0.2});
  const std::vector<double> expected = {0.329758165, 0.654976618, 0.015265217};
  ASSERT_EQ(result.recipe.ingredients.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(result.recipe.ingredients[i].weight, expected[i], 1e-6);
  }
  EXPECT_EQ(result.best_path, "b");
  EXPECT_EQ(evaluator.passes, 3);
}

TEST(Softmax, HighScoresAreLowLosses) {
  TableEvaluator evaluator(4);  // right on 3, 4 and 1 of 4
  const auto result =
      find_search("softmax").run(zoo(), &evaluator, {.temperature = 0.5});
  const double sum = std::exp(1.5) + std::exp(2) + std::exp(0.5);
  EXPECT_NEAR(result.recipe.ingredients[0].weight, std::exp(1.5) / sum, 1e-12);
  EXPECT_NEAR(result.recipe.ingredients[2].weight, std::exp(0.5) / sum, 1e-12);
}

TEST(Softmax, ColdIsTheBestAlone) {
  TableEvaluator evaluator(4);
  evaluator.loss = true;
  const auto result =
      find_search("softmax").run(zoo(), &evaluator, {.temperature = 1e-6});
  ASSERT_EQ(result.recipe.ingredients.size(), 1U);
  EXPECT_EQ(result.recipe.ingredients[0].path, "b");
  EXPECT_EQ(result.recipe.ingredients[0].weight, 1);
}

TEST(Softmax, ScoresMustBeNumbers) {
  TableEvaluator evaluator(4);
  evaluator.loss = true;
  auto all = zoo();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  all.push_back(vector_checkpoint("d", {nan, 0, 0, 0}));
  testing::expect_error<Error>(
      [&] { find_search("softmax").run(all, &evaluator, {.temperature = 1}); },
      "d: its score is no finite number");
}

}  // namespace
}  // namespace soup
