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
using testing::vector_checkpoints;

/// Models whose margins are common ones and their own, the later the worse or
/// in any order.
std::vector<CheckpointPtr> draw_zoo(std::mt19937& engine, size_t models,
                                    size_t examples) {
  // Few values: ties of scores and of decisions are the rule.
  std::uniform_int_distribution<int> common(-2, 4);
  std::uniform_int_distribution<int> own(-2, 2);
  std::vector<std::vector<float>> margins(models);
  for (size_t i = 0; i < examples; ++i) {
    const int shared = common(engine);
    for (auto& model : margins) {
      model.push_back(static_cast<float>(shared + own(engine)));
    }
  }
  return vector_checkpoints(margins);
}

struct Outcome {
  std::vector<std::string> accepted;  ///< in order
  std::string best;
  double best_score = 0;
  double score = 0;
  int64_t early = 0;
  int64_t seen = 0;  ///< examples, by all evaluations

  bool same_choice(const Outcome& other) const {
    return accepted == other.accepted && best == other.best &&
           best_score == other.best_score && score == other.score;
  }
};

Outcome run(std::span<const CheckpointPtr> zoo, int64_t examples, bool lazy,
            SearchOptions options) {
  TableEvaluator evaluator(examples, 2);
  Outcome outcome;
  options.lazy = lazy;
  options.on_candidate = [&](const Candidate& c) {
    if (c.accepted) outcome.accepted.push_back(c.path.string());
    outcome.early += c.early ? 1 : 0;
    EXPECT_FALSE(c.accepted && c.early);
  };
  const SearchResult result =
      find_search("greedy").run(zoo, &evaluator, options);
  outcome.best = result.best_path.string();
  outcome.best_score = result.best_single->value;
  outcome.score = result.score->value;
  outcome.seen = evaluator.seen;
  return outcome;
}

// By brute force: the ingredients come in, in their order, as by a full
// ranking.
TEST(LazyGreedy, ChoosesAsTheFullRankingDoes) {
  std::mt19937 engine(3);
  int64_t accepted = 0;
  int64_t early = 0;
  for (int instance = 0; instance < 1500; ++instance) {
    const size_t models = 1 + engine() % 24;
    const size_t examples = 1 + engine() % 60;
    const auto zoo = draw_zoo(engine, models, examples);
    SearchOptions options;
    options.accept_equal = engine() % 2 == 0;
    options.min_gain = static_cast<int64_t>(engine() % 3);
    options.alpha = engine() % 4 == 0 ? 0.3 : 1;
    options.max_ingredients = static_cast<int64_t>(engine() % 6);
    const auto count = static_cast<int64_t>(examples);
    const Outcome full = run(zoo, count, false, options);
    const Outcome lazy = run(zoo, count, true, options);
    ASSERT_TRUE(lazy.same_choice(full)) << instance;
    accepted += std::ssize(lazy.accepted);
    early += lazy.early;
  }
  // What passes before its turn is common, too.
  EXPECT_GT(accepted, 2000);
  EXPECT_GT(early, 150);
}

/// Many poor models and a few good ones, in any order.
std::vector<CheckpointPtr> zoo_with_a_tail(size_t models, size_t examples,
                                           std::mt19937& engine) {
  std::normal_distribution<double> common(1, 1);
  std::vector<std::vector<float>> margins(models);
  for (size_t i = 0; i < examples; ++i) {
    const double shared = common(engine);
    for (size_t k = 0; k < models; ++k) {
      std::normal_distribution<double> own(-0.02 * static_cast<double>(k),
                                           0.12);
      margins[k].push_back(static_cast<float>(shared + own(engine)));
    }
  }
  std::vector<CheckpointPtr> zoo = vector_checkpoints(margins);
  std::shuffle(zoo.begin(), zoo.end(), engine);
  return zoo;
}

TEST(LazyGreedy, ReadsLess) {
  std::mt19937 engine(5);
  constexpr int64_t examples = 4000;
  const auto zoo = zoo_with_a_tail(24, examples, engine);
  const Outcome full = run(zoo, examples, false, {});
  const Outcome lazy = run(zoo, examples, true, {});
  EXPECT_TRUE(lazy.same_choice(full));
  RecordProperty("share_of_examples_read",
                 std::to_string(static_cast<double>(lazy.seen) /
                                static_cast<double>(full.seen)));
  EXPECT_LT(lazy.seen, full.seen * 3 / 4);
}

TEST(LazyGreedy, GoesOnFromItsJournal) {
  std::mt19937 engine(9);
  const auto zoo = zoo_with_a_tail(9, 200, engine);
  const TempFolder folder;
  SearchOptions options;
  options.run_dir = folder / "run";
  const Outcome first = run(zoo, 200, true, options);
  const Outcome again = run(zoo, 200, true, options);
  EXPECT_GT(first.seen, 0);
  EXPECT_EQ(again.seen, 0);
  EXPECT_TRUE(again.same_choice(first));
}

TEST(LazyGreedy, RefusesWhatNeedsAllScores) {
  std::mt19937 engine(1);
  const auto zoo = draw_zoo(engine, 3, 10);
  TableEvaluator evaluator(10);
  const auto search = [&](SearchOptions options) {
    options.lazy = true;
    find_search("greedy").run(zoo, &evaluator, options);
  };
  expect_error<UsageError>([&] { search({.sweeps = 2}); }, "--lazy");
  expect_error<UsageError>([&] { search({.order = Order::kGiven}); }, "--lazy");
  expect_error<UsageError>([&] { search({.optimism_folds = 2}); }, "--");
  evaluator.loss = true;
  expect_error<UsageError>([&] { search({}); }, "metric that counts");
}

}  // namespace
}  // namespace soup
