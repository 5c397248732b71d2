#include <gtest/gtest.h>

#include <random>

#include "search/table_evaluator.h"
#include "soup/search.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::TableEvaluator;
using testing::TempFolder;
using testing::vector_checkpoint;

constexpr int64_t kExamples = 60;

/// Right by chance: whatever is better on held-out data is so by luck.
std::vector<CheckpointPtr> coins(uint32_t seed, size_t count = 12) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> draw;
  std::vector<CheckpointPtr> all;
  for (size_t k = 0; k < count; ++k) {
    std::vector<float> margins(kExamples);
    for (float& m : margins) m = draw(engine);
    all.push_back(vector_checkpoint("model_" + std::to_string(k), margins));
  }
  return all;
}

SearchResult search(const std::vector<CheckpointPtr>& models,
                    SearchOptions options, TableEvaluator& evaluator) {
  return find_search("greedy").run(models, &evaluator, options);
}

TEST(OptimismTest, OfCoinsIsAllThatChoosingFound) {
  double chosen = 0;
  double apart = 0;
  constexpr int kZoos = 40;
  for (uint32_t seed = 0; seed < kZoos; ++seed) {
    TableEvaluator evaluator(kExamples);
    const auto result = search(coins(seed), {.optimism_folds = 5}, evaluator);
    ASSERT_TRUE(result.optimism);
    EXPECT_EQ(result.optimism->folds, 5);
    chosen += result.optimism->chosen / kZoos;
    apart += result.optimism->apart / kZoos;
  }
  EXPECT_GT(chosen, 0.6);
  EXPECT_NEAR(apart, 0.5, 0.03);  // four standard errors
}

TEST(OptimismTest, OfOneModelOnlyIsNone) {
  TableEvaluator evaluator(kExamples);
  const auto result = search(coins(1, 1), {.optimism_folds = 6}, evaluator);
  EXPECT_NEAR(result.optimism->chosen, result.score->value, 1e-12);
  EXPECT_NEAR(result.optimism->apart, result.score->value, 1e-12);
}

TEST(OptimismTest, LeavesTheSearchAsItIs) {
  TableEvaluator evaluator(kExamples);
  const auto plain = search(coins(3), {}, evaluator);
  const auto result = search(coins(3), {.optimism_folds = 3}, evaluator);
  EXPECT_FALSE(plain.optimism);
  ASSERT_EQ(result.recipe.ingredients.size(), plain.recipe.ingredients.size());
  for (size_t i = 0; i < plain.recipe.ingredients.size(); ++i) {
    EXPECT_EQ(result.recipe.ingredients[i].path,
              plain.recipe.ingredients[i].path);
  }
}

TEST(OptimismTest, GoesOnFromAJournal) {
  const TempFolder folder;
  const SearchOptions options{.optimism_folds = 4, .run_dir = folder / "run"};
  TableEvaluator evaluator(kExamples);
  const auto first = search(coins(5), options, evaluator);
  const int64_t passes = evaluator.passes;
  const auto again = search(coins(5), options, evaluator);
  EXPECT_EQ(evaluator.passes, passes);
  EXPECT_EQ(again.optimism->apart, first.optimism->apart);
  EXPECT_EQ(again.optimism->chosen, first.optimism->chosen);
}

TEST(OptimismTest, IsOfThePlainSearchOnly) {
  TableEvaluator evaluator(kExamples);
  expect_error<UsageError>(
      [&] { search(coins(1), {.optimism_folds = 61}, evaluator); },
      "61 folds of only 60 examples");
  expect_error<UsageError>(
      [&] {
        search(coins(1), {.alpha = 0.05, .optimism_folds = 3}, evaluator);
      },
      "plain greedy search");
}

}  // namespace
}  // namespace soup
