#include <gtest/gtest.h>

#include "search/table_evaluator.h"
#include "soup/search.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::TableEvaluator;
using testing::vector_checkpoint;

using Weights = std::map<std::string, double>;

Weights weights(const SearchResult& result) {
  Weights out;
  for (const Ingredient& i : result.recipe.ingredients) {
    out[i.path.string()] = i.weight;
  }
  return out;
}

class VariantsTest : public ::testing::Test {
 protected:
  void add(const std::string& name, const std::vector<float>& margins) {
    zoo_.push_back(vector_checkpoint(name, margins));
  }
  SearchResult run(const std::string& name, SearchOptions options = {}) {
    TableEvaluator evaluator(examples_);
    lines_.clear();
    options.on_candidate = [&](const Candidate& c) { lines_.push_back(c); };
    return find_search(name).run(zoo_, &evaluator, options);
  }

  std::vector<CheckpointPtr> zoo_;
  int64_t examples_ = 4;
  std::vector<Candidate> lines_;
};

TEST_F(VariantsTest, PrunedLeavesOutWhatHurtsTheWorstFirst) {
  add("a", {2, 2, -1, 2});
  add("bad", {-9, -9, -9, 1});
  add("c", {2, 2, 2, -1});
  const SearchResult result = run("pruned");
  EXPECT_EQ(weights(result), (Weights{{"a", 1}, {"c", 1}}));
  EXPECT_EQ(result.score->correct, 4);
  EXPECT_EQ(result.best_path, "a");
  ASSERT_GE(lines_.size(), 2U);
  EXPECT_EQ(lines_[0].path, "");  // all of them
  EXPECT_EQ(lines_[0].value, 0.25);
  EXPECT_EQ(lines_[1].path, "bad");
  EXPECT_TRUE(lines_[1].removes);
  EXPECT_TRUE(lines_[1].accepted);
}

TEST_F(VariantsTest, PrunedKeepsAtLeastOne) {
  for (const char* name : {"x", "y", "z"}) add(name, {1, -1, 1, -1});
  EXPECT_EQ(run("pruned").recipe.ingredients.size(), 1U);
  EXPECT_EQ(run("pruned", {.accept_equal = false}).recipe.ingredients.size(),
            3U);
  expect_error<UsageError>([&] { run("pruned", {.max_ingredients = 2}); },
                           "--max-ingredients: a search that starts from all "
                           "has no limit");
}

TEST_F(VariantsTest, ReplacementWeighsAnIngredientTwice) {
  // a is right on 4 of 6, a + b on 5, 2a + b on all.
  examples_ = 6;
  add("a", {1, -1, -1, 5, 5, 5});
  add("b", {-1.5F, 3, 3, 1, -1, -1});
  const SearchResult result = run("replacement");
  EXPECT_EQ(weights(result), (Weights{{"a", 2}, {"b", 1}}));
  EXPECT_EQ(result.score->correct, 6);
  EXPECT_EQ(lines_[1].round, 1);
  EXPECT_EQ(weights(run("greedy")), (Weights{{"a", 1}, {"b", 1}}));
  EXPECT_EQ(weights(run("replacement", {.max_ingredients = 2})),
            (Weights{{"a", 1}, {"b", 1}}));
}

TEST_F(VariantsTest, RandomOrdersWriteTheBest) {
  add("a", {2, 2, -1, -1});
  add("b", {-5, 2, 3, -1});
  add("c", {-1, -1, -1, 4});
  std::vector<OrderResult> orders;
  SearchOptions options{.order = Order::kRandom, .seed = 3, .orders = 5};
  options.on_order = [&](const OrderResult& o) { orders.push_back(o); };
  const SearchResult result = run("greedy", options);
  ASSERT_EQ(orders.size(), 5U);
  int64_t best = 0;
  for (size_t i = 0; i < orders.size(); ++i) {
    EXPECT_EQ(orders[i].seed, 3 + i);
    best = std::max(best, *orders[i].score.correct);
    // Each is what the search in that order alone finds.
    const SearchResult alone =
        run("greedy", {.order = Order::kRandom, .seed = 3 + i});
    EXPECT_EQ(alone.score->correct, orders[i].score.correct);
    EXPECT_EQ(std::ssize(alone.recipe.ingredients), orders[i].ingredients);
  }
  EXPECT_EQ(result.score->correct, best);
}

TEST_F(VariantsTest, VisitsInTheOrderOfAList) {
  for (const char* name : {"zoo/x", "zoo/y", "zoo/z"}) add(name, {1, 1, -1, 1});
  run("greedy", {.order = Order::kFile, .visit = {"zoo/y", "z", "x"}});
  ASSERT_EQ(lines_.size(), 3U);
  EXPECT_EQ(lines_[0].path, "zoo/y");
  EXPECT_EQ(lines_[1].path, "zoo/z");
  EXPECT_EQ(lines_[2].path, "zoo/x");
  const auto refused = [&](std::vector<std::filesystem::path> visit,
                           const std::string& why) {
    expect_error<UsageError>(
        [&] {
          run("greedy", {.order = Order::kFile, .visit = std::move(visit)});
        },
        why);
  };
  refused({"zoo/x", "zoo/z"}, "--order: does not list zoo/y");
  refused({"zoo/x", "x"}, "--order: lists zoo/x twice");
  refused({"zoo/xx"},
          "--order: no checkpoint is called 'zoo/xx', did you mean 'zoo/x'?");
}

TEST_F(VariantsTest, AlphaAsksForASignificantGain) {
  examples_ = 8;
  // Six gains and no loss: p = 0.03.
  add("a", {1, 1, -1, -1, -1, -1, -1, -1});
  add("b", {1, 1, 2, 2, 2, 2, 2, 2});
  const SearchOptions given{.order = Order::kGiven};
  SearchOptions strict = given;
  strict.alpha = 0.04;
  EXPECT_EQ(run("greedy", strict).recipe.ingredients.size(), 2U);
  EXPECT_NEAR(lines_[1].p_value.value(), 2.0 / 64, 1e-12);
  strict.alpha = 0.03;
  EXPECT_EQ(run("greedy", strict).recipe.ingredients.size(), 1U);
  TableEvaluator loss(examples_);
  loss.loss = true;
  expect_error<UsageError>(
      [&] { find_search("greedy").run(zoo_, &loss, strict); },
      "--alpha tests counts of examples, which this metric does not give");
}

TEST_F(VariantsTest, APValueIsOfFullPassesOnly) {
  examples_ = 40;
  add("a", std::vector<float>(40, 1));
  add("b", std::vector<float>(40, -3));
  run("greedy", {.order = Order::kGiven});
  EXPECT_LT(lines_[1].seen, 40);
  EXPECT_FALSE(lines_[1].p_value);
  run("greedy", {.order = Order::kGiven, .full = true});
  EXPECT_LT(lines_[1].p_value.value(), 1e-9);
}

TEST_F(VariantsTest, GuardsMustNotDrop) {
  // b helps on the first four and hurts on the last two.
  add("a", {1, 1, -1, -1, 1, 1});
  add("b", {1, 1, 3, 3, -4, 1});
  add("c", {1, 1, 3, -3, 1, 1});
  TableEvaluator guard(2, 3, "guard");
  guard.first = 4;
  const SearchOptions options{.order = Order::kGiven, .guards = {&guard}};
  EXPECT_EQ(weights(run("greedy", options)), (Weights{{"a", 1}, {"c", 1}}));
  EXPECT_EQ(lines_[1].guard, "guard");
  EXPECT_FALSE(lines_[1].accepted);
  EXPECT_EQ(lines_[1].value, 1.0);
  EXPECT_EQ(lines_[2].guard, "");
  EXPECT_EQ(weights(run("greedy", {.order = Order::kGiven})),
            (Weights{{"a", 1}, {"b", 1}}));
}

TEST_F(VariantsTest, TellsWhatTheSoupIsWithoutEachIngredient) {
  add("a", {3, 3, -1, -1});
  add("b", {-1, 1, 2, -1});
  add("c", {-1, -1, 1, 4});
  SearchResult result = run("greedy");
  ASSERT_EQ(result.recipe.ingredients.size(), 3U);
  ASSERT_EQ(result.without.size(), 3U);
  EXPECT_FALSE(result.without[0]);           // never looked at
  EXPECT_EQ(result.without[2]->correct, 3);  // the soup before c came
  result = run("greedy", {.leave_one_out = true});
  EXPECT_EQ(result.without[0]->correct, 2);  // b and c
  EXPECT_EQ(result.without[2]->correct, 3);
}

}  // namespace
}  // namespace soup
