#include <gtest/gtest.h>

#include <random>

#include "search/ranking.h"
#include "search/reference_search.h"
#include "search/table_evaluator.h"
#include "search/trial.h"
#include "soup/search.h"

namespace soup {
namespace {

using testing::Margins;
using testing::ReferenceOptions;
using testing::ReferenceSearch;
using testing::TableEvaluator;
using testing::vector_checkpoint;
using testing::vector_checkpoints;

/// A zoo in which soups of one model are right on nearly the same examples.
struct Zoo {
  Margins primary;
  Margins guard;
  std::vector<CheckpointPtr> checkpoints;

  Zoo(std::mt19937& engine, size_t models, size_t examples, size_t guarded)
      : primary(models, std::vector<int>(examples)),
        guard(guarded == 0 ? 0 : models, std::vector<int>(guarded)) {
    // Few values: ties of margins, scores and decisions are the rule.
    std::uniform_int_distribution<int> common(-2, 3);
    std::uniform_int_distribution<int> own(-2, 2);
    fill(primary, engine, common, own);
    fill(guard, engine, common, own);
    for (size_t k = 0; k < models; ++k) {
      std::vector<float> values(primary[k].begin(), primary[k].end());
      if (guarded > 0) {
        values.insert(values.end(), guard[k].begin(), guard[k].end());
      }
      checkpoints.push_back(vector_checkpoint(std::to_string(k), values));
    }
  }

 private:
  static void fill(Margins& margins, std::mt19937& engine,
                   std::uniform_int_distribution<int>& common,
                   std::uniform_int_distribution<int>& own) {
    for (size_t i = 0; !margins.empty() && i < margins.front().size(); ++i) {
      const int shared = common(engine);
      for (auto& model : margins) model[i] = shared + own(engine);
    }
  }
};

struct Outcome {
  std::vector<size_t> soup;  ///< with repeats, sorted
  std::vector<bool> decisions;
  std::optional<int64_t> correct;
  int64_t seen = 0;
  int64_t offered = 0;  ///< examples of the candidates
};

Outcome run(const std::string& name, const Zoo& zoo, SearchOptions options,
            int64_t batch) {
  const auto examples = static_cast<int64_t>(zoo.primary.front().size());
  TableEvaluator primary(examples, batch);
  TableEvaluator guard(
      zoo.guard.empty() ? 1 : static_cast<int64_t>(zoo.guard.front().size()),
      batch, "guard");
  guard.first = examples;
  if (!zoo.guard.empty()) options.guards = {&guard};
  Outcome outcome;
  options.on_candidate = [&](const Candidate& c) {
    if (c.step == 0) return;
    outcome.decisions.push_back(c.accepted);
    outcome.seen += c.seen;
    outcome.offered += c.count;
  };
  const SearchResult result =
      find_search(name).run(zoo.checkpoints, &primary, options);
  for (const Ingredient& ingredient : result.recipe.ingredients) {
    const size_t index = std::stoul(ingredient.path.string());
    outcome.soup.insert(outcome.soup.end(),
                        static_cast<size_t>(ingredient.weight), index);
  }
  std::sort(outcome.soup.begin(), outcome.soup.end());
  outcome.correct = result.score->correct;
  return outcome;
}

/// One random way to search.
struct Case {
  std::string name;
  SearchOptions options;
  ReferenceOptions reference;
  int64_t batch = 1;
};

Case draw_case(int instance, std::mt19937& engine) {
  const auto draw = [&](int count) {
    return std::uniform_int_distribution<int>(0, count - 1)(engine);
  };
  constexpr std::array kNames = {"greedy", "pruned", "replacement"};
  constexpr std::array kAlphas = {1.0, 1.0, 0.6, 0.2};
  Case one;
  one.name = kNames[static_cast<size_t>(instance) % kNames.size()];
  ReferenceOptions& reference = one.reference;
  reference.accept_equal = draw(2) == 0;
  reference.min_gain = std::max(draw(4) - 1, 0);
  reference.alpha = kAlphas[static_cast<size_t>(draw(4))];
  reference.sweeps = draw(3);
  const int most = draw(6);
  if (one.name != "pruned" && most > 2) {
    reference.most = static_cast<size_t>(most);
    one.options.max_ingredients = most;
  }
  one.options.accept_equal = reference.accept_equal;
  one.options.min_gain = reference.min_gain;
  one.options.alpha = reference.alpha;
  one.options.sweeps = reference.sweeps;
  constexpr std::array kOrders = {Order::kScore, Order::kScore, Order::kGiven,
                                  Order::kRandom};
  one.options.order = kOrders[static_cast<size_t>(draw(4))];
  one.options.seed = static_cast<uint64_t>(instance);
  one.batch = 1 + draw(9);
  return one;
}

std::vector<size_t> expected(const Case& one, ReferenceSearch& reference,
                             size_t models) {
  std::vector<size_t> order = reference.by_score();
  if (one.options.order == Order::kScore) {
    if (one.name == "pruned") std::reverse(order.begin(), order.end());
  } else if (one.options.order == Order::kGiven) {
    std::iota(order.begin(), order.end(), size_t{0});
  } else {
    order = random_order(models, one.options.seed);
  }
  return one.name == "greedy"   ? reference.greedy(order)
         : one.name == "pruned" ? reference.pruned(order)
                                : reference.replacement(order);
}

// Theorems 1 and 2 of the early exit by brute force, for every variant: the
// same decisions, in the same sequence, as full passes and as definitions.
TEST(EarlyExit, DecidesAsFullPassesDo) {
  std::mt19937 engine(7);
  int64_t decisions = 0;
  int64_t accepted = 0;
  int64_t seen = 0;
  int64_t offered = 0;
  for (int instance = 0; instance < 4000; ++instance) {
    const Case one = draw_case(instance, engine);
    const size_t models = 2 + static_cast<size_t>(instance) % 6;
    const size_t examples = 1 + static_cast<size_t>(instance) % 37;
    const size_t guarded = instance % 4 == 0 ? 1 + examples / 2 : 0;
    const Zoo zoo(engine, models, examples, guarded);
    const Outcome cut = run(one.name, zoo, one.options, one.batch);
    SearchOptions full = one.options;
    full.full = true;
    const Outcome whole = run(one.name, zoo, full, one.batch);
    ReferenceSearch reference(zoo.primary, zoo.guard, one.reference);
    std::vector<size_t> soup = expected(one, reference, models);
    std::sort(soup.begin(), soup.end());
    ASSERT_EQ(cut.decisions, reference.decisions) << instance << one.name;
    ASSERT_EQ(cut.soup, soup) << instance << one.name;
    ASSERT_EQ(cut.correct, reference.score(soup)) << instance << one.name;
    ASSERT_EQ(whole.decisions, cut.decisions) << instance << one.name;
    ASSERT_EQ(whole.soup, cut.soup) << instance << one.name;
    EXPECT_LE(cut.seen, whole.seen);
    decisions += std::ssize(cut.decisions);
    accepted += std::count(cut.decisions.begin(), cut.decisions.end(), true);
    seen += cut.seen;
    offered += cut.offered;
  }
  // Both outcomes are common, and something is saved even on tiny sets.
  EXPECT_GT(decisions, 15000);
  EXPECT_GT(accepted, decisions / 10);
  EXPECT_LT(accepted, decisions * 9 / 10);
  EXPECT_LT(seen, offered * 9 / 10);
}

// Losses are added up in fixed point: no full pass decides otherwise.
TEST(EarlyExit, DecidesAsFullPassesDoOnLosses) {
  std::mt19937 engine(8);
  for (int instance = 0; instance < 300; ++instance) {
    Case one = draw_case(instance, engine);
    one.options.min_gain = 0;
    one.options.alpha = 1;
    // A loss can fall a little in round after round.
    if (one.name == "replacement") one.options.max_ingredients = 6;
    const Zoo zoo(engine, 5, 1 + static_cast<size_t>(instance) % 29, 0);
    std::array<std::vector<std::string>, 2> outcomes;
    for (const bool full : {false, true}) {
      TableEvaluator evaluator(std::ssize(zoo.primary.front()), one.batch);
      evaluator.loss = true;
      one.options.full = full;
      std::vector<std::string>& lines = outcomes[full ? 1 : 0];
      one.options.on_candidate = [&](const Candidate& c) {
        lines.push_back(c.path.string() + (c.accepted ? "+" : "-"));
        if (c.step == 0 || one.name == "replacement") return;
        // The certificate: what is left cannot make it as good as before.
        const int64_t needed = one.options.accept_equal ? 0 : 1;
        ASSERT_EQ(*c.ahead + *c.remaining >= needed, c.accepted) << instance;
        ASSERT_EQ(c.seen == c.count, *c.remaining == 0) << instance;
      };
      const auto result =
          find_search(one.name).run(zoo.checkpoints, &evaluator, one.options);
      for (const Ingredient& i : result.recipe.ingredients) {
        lines.push_back(i.path.string() + std::to_string(i.weight));
      }
    }
    ASSERT_EQ(outcomes[0], outcomes[1]) << instance << one.name;
  }
}

/// Margins as of the zoo of the paper: 84 % right, fine-tunes a little apart.
std::vector<CheckpointPtr> zoo_like_the_papers(size_t models, size_t examples,
                                               std::mt19937& engine) {
  std::normal_distribution<double> common(1, 1);
  std::normal_distribution<double> own(-0.02, 0.12);
  std::vector<std::vector<float>> margins(models);
  for (size_t i = 0; i < examples; ++i) {
    const double shared = common(engine);
    for (auto& model : margins) {
      model.push_back(static_cast<float>(shared + own(engine)));
    }
  }
  return vector_checkpoints(margins);
}

/// What rejections read.
struct Rejections {
  int64_t count = 0;
  int64_t seen = 0;   ///< examples
  int64_t bound = 0;  ///< what the incumbents get wrong: no order reads less
};

Rejections rejections(std::span<const CheckpointPtr> zoo, int64_t examples,
                      int64_t batch, SearchOptions options) {
  Rejections found;
  options.accept_equal = false;
  TableEvaluator evaluator(examples, batch);
  options.on_candidate = [&](const Candidate& c) {
    if (c.step == 0) return;
    // The certificate: what is left cannot make it better than before.
    EXPECT_EQ(*c.gains - *c.losses + *c.remaining > 0, c.accepted);
    if (c.accepted) return;
    ++found.count;
    found.seen += c.seen;
    found.bound += std::llround((1 - c.best) * static_cast<double>(examples));
  };
  find_search("greedy").run(zoo, &evaluator, options);
  EXPECT_GE(found.seen, found.bound);
  return found;
}

TEST(EarlyExit, RejectsAfterAThirdOfTheExamples) {
  std::mt19937 engine(9);
  const int64_t examples = 10000;
  const auto zoo = zoo_like_the_papers(30, examples, engine);
  // Singles are not scored: nothing is known but what the soup says.
  const Rejections found =
      rejections(zoo, examples, 100, {.order = Order::kGiven});
  ASSERT_GT(found.count, 15);
  const double share = static_cast<double>(found.seen) /
                       static_cast<double>(found.count * examples);
  RecordProperty("share_of_examples_read", std::to_string(share));
  RecordProperty("rejected", std::to_string(found.count));
  EXPECT_LT(share, 0.35);
}

// The margins of a table's soup are the means of its ingredients': forecasts
// are right, and no order reads less.
TEST(EarlyExit, ReadsNoMoreThanItMustWhereForecastsAreRight) {
  std::mt19937 engine(9);
  const int64_t examples = 10000;
  const int64_t batch = 10;
  const auto zoo = zoo_like_the_papers(30, examples, engine);
  for (const bool lazy : {false, true}) {
    const Rejections found = rejections(zoo, examples, batch, {.lazy = lazy});
    ASSERT_GT(found.count, 15);
    if (lazy) continue;  // it tries what could be left out
    EXPECT_LE(found.seen, found.bound + found.count * batch);
  }
}

// By what it says itself where its single is known, else by the incumbent.
TEST(EarlyExit, BeginsWithWhatACandidateIsLikelyToGetWrong) {
  const TableEvaluator evaluator(5);
  const Answers incumbent = {.terms = {1, 0, 1, 0, 1},
                             .margins = {0.5F, -1, 3, -0.1F, 0.2F}};
  EXPECT_EQ(exit_order(evaluator, incumbent, {}),
            (std::vector<int64_t>{1, 3, 4, 0, 2}));
  const auto single = std::make_shared<const std::vector<float>>(
      std::vector<float>{-1.5F, 4, -1, 0.2F, 0.1F});
  // Half of each: -0.5, 1.5, 1, 0.05, 0.15.
  EXPECT_EQ(exit_order(evaluator, incumbent, {single, 0.5}),
            (std::vector<int64_t>{0, 3, 4, 2, 1}));
  // Without it: 2.5, -6, 7, -0.4, 0.3.
  EXPECT_EQ(exit_order(evaluator, incumbent, {single, -1}),
            (std::vector<int64_t>{1, 3, 4, 0, 2}));
  const auto never = std::make_shared<const std::vector<float>>(
      std::vector<float>(5, -INFINITY));
  EXPECT_EQ(exit_order(evaluator,
                       {.terms = incumbent.terms,
                        .margins = {1, INFINITY, -INFINITY, 0, 0}},
                       {never, 0.5})
                .size(),
            5U);
}

// Among the best five is right with a margin below 0.
TEST(EarlyExit, BeginsWithWhatTheSoupGetsWrongWhereMarginsDoNotDecide) {
  const TableEvaluator evaluator(3);
  const Answers incumbent = {.terms = {1, 1, 0}, .margins = {-2, 1, -1}};
  const auto single =
      std::make_shared<const std::vector<float>>(std::vector<float>{-5, -5, 5});
  EXPECT_EQ(exit_order(evaluator, incumbent, {single, 0.5}),
            (std::vector<int64_t>{2, 0, 1}));
}

TEST(EarlyExit, BeginsWithTheLargestLossesOfLosses) {
  TableEvaluator evaluator(3);
  evaluator.loss = true;
  const Answers incumbent = {.terms = {1, 0.5, 0.25}, .margins = {0, 0, 0}};
  EXPECT_EQ(exit_order(evaluator, incumbent, {}),
            (std::vector<int64_t>{0, 1, 2}));
  const auto single = std::make_shared<const std::vector<float>>(
      std::vector<float>{0, 0.6F, 3});
  EXPECT_EQ(exit_order(evaluator, incumbent, {single, 0.5}),
            (std::vector<int64_t>{0, 1, 2}));
}

}  // namespace
}  // namespace soup
