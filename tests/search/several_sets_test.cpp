#include <gtest/gtest.h>

#include <numeric>
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

/// Sets of the given sizes, one behind the other in "w".
struct Sets {
  std::vector<std::unique_ptr<Evaluator>> all;
  explicit Sets(const std::vector<int64_t>& sizes, bool loss = false) {
    int64_t first = 0;
    for (const int64_t size : sizes) {
      auto set = std::make_unique<TableEvaluator>(
          size, 3, "set" + std::to_string(all.size()));
      set->first = first;
      set->loss = loss;
      first += size;
      all.push_back(std::move(set));
    }
  }
};

std::vector<CheckpointPtr> zoo(int64_t examples, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int> draw(-3, 4);
  std::vector<CheckpointPtr> all;
  for (int k = 0; k < 7; ++k) {
    std::vector<float> margins(static_cast<size_t>(examples));
    for (float& m : margins) m = static_cast<float>(draw(engine));
    all.push_back(vector_checkpoint("model_" + std::to_string(k), margins));
  }
  return all;
}

TEST(SeveralSetsTest, ScoreTheWeightedMean) {
  const Sets sets({4, 6});
  const auto model = vector_checkpoint(
      "a", {1, 1, 1, -1, /* 3 of 4 */ 1, 1, -1, -1, -1, -1 /* 2 of 6 */});
  const double shares[] = {2, 0.5};
  const auto mean = make_weighted_mean(sets.all, shares);
  EXPECT_EQ(mean->dataset(), "set0=2 + set1=0.5");
  EXPECT_EQ(mean->examples(), 10);
  const Score score = mean->evaluate(*model).value();
  EXPECT_DOUBLE_EQ(score.value, (2 * 3 / 4.0 + 0.5 * 2 / 6.0) / 2.5);
  EXPECT_EQ(score.count, 10);
  EXPECT_FALSE(score.correct);
  // An example of the first counts (2 / 4) / (0.5 / 6) = 6 times as much.
  EXPECT_EQ(mean->weight(3), 6);
  EXPECT_EQ(mean->weight(4), 1);
}

TEST(SeveralSetsTest, OfLossesToo) {
  const Sets sets({2, 3}, true);
  const auto model = vector_checkpoint("a", {1, -1, 2, 0, 1});
  const double shares[] = {1, 3};
  const auto mean = make_weighted_mean(sets.all, shares);
  const double first = sets.all[0]->evaluate(*model, {})->value;
  const double second = sets.all[1]->evaluate(*model, {})->value;
  EXPECT_DOUBLE_EQ(mean->evaluate(*model)->value, (first + 3 * second) / 4);
  EXPECT_FALSE(mean->higher_is_better());
}

// Greedy by exact fractions: s_1 c_1 / n_1 + s_2 c_2 / n_2 over the common
// denominator n_1 n_2.
std::vector<std::string> by_hand(const std::vector<CheckpointPtr>& models,
                                 const std::vector<int64_t>& sizes,
                                 const std::vector<int64_t>& shares) {
  const auto points = [&](const std::vector<size_t>& soup) {
    int64_t sum = 0;
    int64_t first = 0;
    for (size_t s = 0; s < sizes.size(); ++s) {
      for (int64_t i = first; i < first + sizes[s]; ++i) {
        float margin = 0;  // small whole numbers: exact
        for (const size_t k : soup) {
          float own = 0;
          std::memcpy(&own, models[k]->read(0).bytes().data() + i * 4, 4);
          margin += own;
        }
        if (margin > 0) sum += shares[s] * sizes[1 - s];
      }
      first += sizes[s];
    }
    return sum;
  };
  std::vector<size_t> order(models.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return points({a}) > points({b});
  });
  std::vector<size_t> soup = {order.front()};
  for (size_t i = 1; i < order.size(); ++i) {
    std::vector<size_t> candidate = soup;
    candidate.push_back(order[i]);
    if (points(candidate) >= points(soup)) soup = candidate;
  }
  std::vector<std::string> names;
  for (const size_t k : soup) names.push_back(models[k]->path().string());
  return names;
}

TEST(SeveralSetsTest, DecideAsExactFractionsDo) {
  int64_t ties = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const std::vector<int64_t> sizes = {6 + seed % 5, 12 + seed % 3};
    const std::vector<int64_t> shares = {1 + seed % 3, 1 + seed % 2};
    const auto models = zoo(sizes[0] + sizes[1], seed);
    const auto expected = by_hand(models, sizes, shares);
    for (const bool full : {false, true}) {
      const Sets sets(sizes);
      const double given[] = {static_cast<double>(shares[0]) / 10,
                              static_cast<double>(shares[1]) / 10};
      const auto mean = make_weighted_mean(sets.all, given);
      SearchOptions options;
      options.full = full;
      options.on_candidate = [&](const Candidate& c) {
        ties +=
            c.step > 0 && c.accepted && c.value == c.best && c.gains == c.losses
                ? 1
                : 0;
        EXPECT_FALSE(c.p_value);
      };
      const auto result =
          find_search("greedy").run(models, mean.get(), options);
      std::vector<std::string> found;
      for (const Ingredient& i : result.recipe.ingredients) {
        found.push_back(i.path.string());
      }
      EXPECT_EQ(found, expected) << seed << (full ? " full" : "");
    }
  }
  EXPECT_GT(ties, 0);
}

TEST(SeveralSetsTest, StopEarlyByTheirBound) {
  int64_t seen[2] = {0, 0};
  for (const bool full : {false, true}) {
    const Sets sets({300, 100});
    const double shares[] = {1, 1};
    const auto mean = make_weighted_mean(sets.all, shares);
    const auto models = zoo(400, 9);
    SearchOptions options;
    options.full = full;
    options.on_candidate = [&](const Candidate& c) { seen[full] += c.seen; };
    find_search("greedy").run(models, mean.get(), options);
  }
  EXPECT_LT(seen[0], seen[1]);
}

// Small ones, too, as soon as one set of all their examples would.
TEST(SeveralSetsTest, StopAsEarlyAsOneSet) {
  int64_t apart = 0;
  int64_t together = 0;
  int64_t steps = 0;
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const auto models = zoo(1200, seed);
    const Sets sets({900, 300});
    const double shares[] = {3, 1};  // all examples count alike
    const auto mean = make_weighted_mean(sets.all, shares);
    SearchOptions options;
    options.on_candidate = [&](const Candidate& c) {
      apart += c.seen;
      ++steps;
    };
    find_search("greedy").run(models, mean.get(), options);
    TableEvaluator one(1200, 3);
    options.on_candidate = [&](const Candidate& c) { together += c.seen; };
    find_search("greedy").run(models, &one, options);
  }
  EXPECT_LE(apart, together + 4 * 3 * 2 * steps);  // four batches of each
}

TEST(SeveralSetsTest, GoOnFromAJournal) {
  const TempFolder folder;
  const auto models = zoo(20, 4);
  const double shares[] = {2, 1};
  const auto search = [&](int64_t& passes) {
    const Sets sets({12, 8});
    const auto mean = make_weighted_mean(sets.all, shares);
    SearchOptions options;
    options.run_dir = folder / "run";
    const auto result = find_search("greedy").run(models, mean.get(), options);
    passes = dynamic_cast<TableEvaluator&>(*sets.all[0]).passes;
    return result.score->value;
  };
  int64_t passes = 0;
  const double value = search(passes);
  EXPECT_GT(passes, 0);
  EXPECT_EQ(search(passes), value);
  EXPECT_EQ(passes, 0);
}

TEST(SeveralSetsTest, RefuseWhatCannotBeExact) {
  const Sets sets({9999991, 9999973});  // primes
  const double fine[] = {0.123457, 0.765431};
  expect_error<UsageError>([&] { make_weighted_mean(sets.all, fine); },
                           "no exact weighted mean");
  const Sets small({3, 4});
  const double finer[] = {0.12345678, 1};
  expect_error<UsageError>([&] { make_weighted_mean(small.all, finer); },
                           "at most six decimals");
  SearchOptions options;
  options.min_gain = 2;
  const double equal[] = {1, 1};
  const auto mean = make_weighted_mean(small.all, equal);
  const auto models = zoo(7, 1);
  expect_error<UsageError>(
      [&] { find_search("greedy").run(models, mean.get(), options); },
      "--min-gain counts examples");
}

}  // namespace
}  // namespace soup
