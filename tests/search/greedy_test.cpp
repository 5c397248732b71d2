#include <gtest/gtest.h>

#include "search/ranking.h"
#include "search/table_evaluator.h"
#include "soup/search.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::TableEvaluator;
using testing::vector_checkpoint;

std::vector<std::string> names(const Recipe& recipe) {
  std::vector<std::string> out;
  for (const Ingredient& i : recipe.ingredients) out.push_back(i.path.string());
  return out;
}

struct GreedyRun {
  SearchResult result;
  std::vector<Candidate> candidates;
  int64_t seen = 0;
};

GreedyRun run_greedy(std::span<const CheckpointPtr> checkpoints,
                     int64_t examples, SearchOptions options = {}) {
  TableEvaluator evaluator(examples);
  GreedyRun run;
  options.on_candidate = [&](const Candidate& c) {
    run.candidates.push_back(c);
  };
  run.result = find_search("greedy").run(checkpoints, &evaluator, options);
  run.seen = evaluator.seen;
  return run;
}

// Four examples; `bad` pulls the mean of everything below zero.
std::vector<CheckpointPtr> small_zoo() {
  std::vector<CheckpointPtr> zoo;
  zoo.push_back(vector_checkpoint("a", {1, 1, -1, -1}));
  zoo.push_back(vector_checkpoint("bad", {-9, -9, -9, 9}));
  zoo.push_back(vector_checkpoint("c", {1, 1, 2, -1}));
  return zoo;
}

TEST(Greedy, KeepsWhatHelpsAndSkipsTheIngredientThatHurts) {
  const auto zoo = small_zoo();
  const GreedyRun run = run_greedy(zoo, 4);
  EXPECT_EQ(names(run.result.recipe), (std::vector<std::string>{"c", "a"}));
  EXPECT_EQ(run.result.score->correct, 3);
  EXPECT_EQ(run.result.best_single->correct, 3);
  EXPECT_EQ(run.result.best_path, "c");
}

TEST(Greedy, TakesAnEqualScoreUnlessToldOtherwise) {
  std::vector<CheckpointPtr> zoo;
  zoo.push_back(vector_checkpoint("a", {1, 1, -1}));
  zoo.push_back(vector_checkpoint("b", {1, 1, -1}));
  EXPECT_EQ(names(run_greedy(zoo, 3).result.recipe),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(names(run_greedy(zoo, 3, {.accept_equal = false}).result.recipe),
            (std::vector<std::string>{"a"}));
}

TEST(Greedy, BreaksTiesByTheGivenOrder) {
  std::vector<CheckpointPtr> zoo;
  for (const char* name : {"x", "y", "z"}) {
    zoo.push_back(vector_checkpoint(name, {1, -1}));
  }
  EXPECT_EQ(names(run_greedy(zoo, 2).result.recipe),
            (std::vector<std::string>{"x", "y", "z"}));
}

// A diverged model has a loss that is no number.
TEST(Greedy, VisitsModelsWithoutAScoreLast) {
  std::vector<CheckpointPtr> zoo;
  zoo.push_back(vector_checkpoint("a", {NAN, NAN}));
  zoo.push_back(vector_checkpoint("b", {1, -1}));
  zoo.push_back(vector_checkpoint("c", {NAN, NAN}));
  zoo.push_back(vector_checkpoint("d", {1, 1}));
  TableEvaluator evaluator(2);
  evaluator.loss = true;
  SearchOptions options;
  options.recipe.allow_nonfinite = true;
  std::vector<std::string> visits;
  options.on_candidate = [&](const Candidate& c) {
    visits.push_back(c.path.string());
  };
  const SearchResult result =
      find_search("greedy").run(zoo, &evaluator, options);
  EXPECT_EQ(visits, (std::vector<std::string>{"d", "b", "a", "c"}));
  EXPECT_EQ(names(result.recipe), std::vector<std::string>{"d"});
  EXPECT_EQ(result.best_path, "d");
}

TEST(Greedy, ReportsEveryStep) {
  const auto zoo = small_zoo();
  const GreedyRun run = run_greedy(zoo, 4, {.full = true});
  ASSERT_EQ(run.candidates.size(), 3U);
  EXPECT_EQ(run.candidates[0].path, "c");
  EXPECT_TRUE(run.candidates[0].accepted);
  EXPECT_EQ(run.candidates[1].path, "a");
  EXPECT_EQ(run.candidates[1].gains, 0);
  EXPECT_EQ(run.candidates[1].losses, 0);
  EXPECT_EQ(run.candidates[1].value, 0.75);
  EXPECT_EQ(run.candidates[2].path, "bad");
  EXPECT_FALSE(run.candidates[2].accepted);
  EXPECT_EQ(run.candidates[2].gains, 1);
  EXPECT_EQ(run.candidates[2].losses, 3);
  EXPECT_EQ(run.candidates[2].best, 0.75);
}

TEST(Greedy, StopsAtTheLargestNumberOfIngredients) {
  std::vector<CheckpointPtr> zoo;
  for (const char* name : {"x", "y", "z"}) {
    zoo.push_back(vector_checkpoint(name, {1, -1}));
  }
  const GreedyRun run = run_greedy(zoo, 2, {.max_ingredients = 2});
  EXPECT_EQ(run.result.recipe.ingredients.size(), 2U);
  EXPECT_EQ(run.candidates.size(), 2U);
  // One that was asked for needs no reason.
  EXPECT_EQ(run_greedy(zoo, 2, {.max_ingredients = 1}).result.reason, "");
}

TEST(Greedy, AsksForTheMinimumGain) {
  std::vector<CheckpointPtr> zoo;
  zoo.push_back(vector_checkpoint("a", {1, 1, -1}));
  zoo.push_back(vector_checkpoint("b", {-1, 3, 3}));
  // Together 2 of 3: a gain of one would be 3 of 3.
  EXPECT_EQ(run_greedy(zoo, 3).result.recipe.ingredients.size(), 2U);
  EXPECT_EQ(
      run_greedy(zoo, 3, {.min_gain = 1}).result.recipe.ingredients.size(), 1U);
}

TEST(Greedy, UsesKnownScoresInsteadOfScoring) {
  const auto zoo = small_zoo();
  SearchOptions options;
  for (const auto& [name, correct] :
       std::map<std::string, int64_t>{{"a", 2}, {"bad", 1}, {"c", 3}}) {
    options.scores[name] = {.dataset = "table",
                            .metric = "top1",
                            .value = static_cast<double>(correct) / 4,
                            .count = 4,
                            .correct = correct};
  }
  const GreedyRun fresh = run_greedy(zoo, 4);
  const GreedyRun known = run_greedy(zoo, 4, options);
  EXPECT_EQ(names(known.result.recipe), names(fresh.result.recipe));
  EXPECT_LT(known.seen, fresh.seen);
  options.scores["a"].count = 5;
  expect_error<Error>([&] { run_greedy(zoo, 4, options); },
                      "a: its known score was taken on 5 examples, but table "
                      "has 4");
}

TEST(Greedy, ASecondSweepTriesTheRejectedAgain) {
  std::vector<CheckpointPtr> zoo;
  zoo.push_back(vector_checkpoint("a", {1, 1, 1, -1, -1}));
  zoo.push_back(vector_checkpoint("b", {-1.5F, 1, 1, 0.5F, -1}));
  zoo.push_back(vector_checkpoint("c", {3, -0.5F, -0.5F, 0.8F, -1}));
  const GreedyRun one = run_greedy(zoo, 5, {.order = Order::kGiven});
  const GreedyRun two =
      run_greedy(zoo, 5, {.order = Order::kGiven, .sweeps = 2});
  EXPECT_EQ(names(one.result.recipe), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(names(two.result.recipe),
            (std::vector<std::string>{"a", "c", "b"}));
}

TEST(RandomOrder, IsAPermutationFixedByItsSeed) {
  const std::vector<size_t> order = random_order(6, 1);
  EXPECT_EQ(order, random_order(6, 1));
  EXPECT_NE(order, random_order(6, 2));
  std::vector<size_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, (std::vector<size_t>{0, 1, 2, 3, 4, 5}));
}

TEST(Searches, SuggestANearName) {
  expect_error<UsageError>([] { find_search("gredy"); },
                           "unknown search 'gredy', did you mean 'greedy'?");
}

TEST(Uniform, TakesEverythingInOrder) {
  const auto zoo = small_zoo();
  const SearchResult result = find_search("uniform").run(zoo, nullptr, {});
  EXPECT_EQ(names(result.recipe), (std::vector<std::string>{"a", "bad", "c"}));
  EXPECT_FALSE(result.score);
}

}  // namespace
}  // namespace soup
