#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "search/ranking.h"
#include "search/table_evaluator.h"
#include "soup/search.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::TableEvaluator;
using testing::TempFolder;
using testing::vector_checkpoints;

constexpr int64_t kExamples = 40;
constexpr size_t kModels = 7;
using Margins = std::vector<std::vector<float>>;

/// A table with a metric of its own.
class Judge : public TableEvaluator {
 public:
  Judge() : TableEvaluator(kExamples) {}
  std::map<std::string, std::string> identity() const override {
    return {{"data set", dataset()}, {"metric", "top1"}};
  }
};

Margins margins(uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int> draw(-3, 4);
  Margins all(kModels, std::vector<float>(kExamples));
  for (auto& model : all) {
    for (float& m : model) m = static_cast<float>(draw(engine));
  }
  return all;
}

int64_t correct(const Margins& all, const std::vector<size_t>& set) {
  int64_t right = 0;
  for (size_t i = 0; i < kExamples; ++i) {
    float sum = 0;
    for (const size_t k : set) sum += all[k][i];
    right += sum > 0 ? 1 : 0;
  }
  return right;
}

int64_t best_single(const Margins& all) {
  int64_t best = 0;
  for (size_t k = 0; k < kModels; ++k) best = std::max(best, correct(all, {k}));
  return best;
}

/// The best of the sets that are drawn.
int64_t best_drawn(const Margins& all, int64_t budget, uint64_t seed) {
  int64_t best = 0;
  for (size_t k = 0; k < 50 * static_cast<size_t>(budget); ++k) {
    std::vector<size_t> set = random_order(kModels, seed + k);
    set.resize(2 + k % (kModels - 1));
    best = std::max(best, correct(all, set));
  }
  return best;
}

// Soups of tables are their ensembles, so that the first proposal is the best.
TEST(Radin, FindsTheBestOfWhatItDraws) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    const Margins all = margins(seed);
    Judge evaluator;
    std::vector<Candidate> tried;
    SearchOptions options{.seed = seed, .budget = 1 + seed % 3};
    options.on_candidate = [&](const Candidate& c) { tried.push_back(c); };
    const auto result =
        find_search("radin").run(vector_checkpoints(all), &evaluator, options);
    EXPECT_EQ(result.best_single->correct, best_single(all));
    EXPECT_EQ(
        result.score->correct,
        std::max(best_single(all), best_drawn(all, options.budget, seed)));
    ASSERT_EQ(std::ssize(tried), 1 + options.budget);
    EXPECT_GE(tried[1].set.size(), 2U);
    EXPECT_TRUE(tried[1].path.empty());
    // The logits of all, the best single and the budget.
    EXPECT_EQ(evaluator.passes,
              static_cast<int64_t>(kModels) + 1 + options.budget);
  }
}

TEST(Radin, LogitsThatAreNoNumbersCountAsWrong) {
  Margins all = margins(3);
  std::fill(all[2].begin(), all[2].end(), NAN);
  Judge evaluator;
  SearchOptions options{.budget = 3};
  options.recipe.allow_nonfinite = true;
  const auto result =
      find_search("radin").run(vector_checkpoints(all), &evaluator, options);
  EXPECT_EQ(result.best_single->correct, best_single(all));
  for (const Ingredient& ingredient : result.recipe.ingredients) {
    EXPECT_NE(ingredient.path, "2");
  }
}

TEST(Radin, GoesOnWhereItStopped) {
  const TempFolder folder;
  const Margins all = margins(3);
  using Line = std::tuple<std::filesystem::path, double, int64_t,
                          std::optional<int64_t>>;
  std::vector<Line> singles;
  const auto search = [&](const std::string& run, int64_t stop) {
    Judge evaluator;
    SearchOptions options{.run_dir = folder / run, .budget = 4};
    int64_t steps = 0;
    options.on_candidate = [&](const Candidate&) {
      if (++steps == stop) throw Error("killed");
    };
    singles.clear();
    options.on_score = [&](const std::filesystem::path& path, const Score& s) {
      singles.emplace_back(path, s.value, s.count, s.correct);
      if (stop < 0) throw Error("killed");
    };
    std::optional<int64_t> found;
    try {
      found = find_search("radin")
                  .run(vector_checkpoints(all), &evaluator, options)
                  .score->correct;
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "killed");
    }
    return std::pair(found, evaluator.passes);
  };
  const auto [whole, passes] = search("whole", 0);
  EXPECT_EQ(passes, 7 + 1 + 4);
  const std::vector<Line> lines = singles;
  EXPECT_EQ(lines.size(), kModels);
  EXPECT_FALSE(search("cut", -1).first);  // with all logits
  EXPECT_TRUE(exists(folder / "cut/logits/6.safetensors"));
  EXPECT_EQ(search("cut", 3).second, 1 + 2);  // two candidates
  EXPECT_FALSE(exists(folder / "cut/logits"));
  EXPECT_EQ(search("cut", 0), std::pair(whole, int64_t{2}));
  EXPECT_EQ(singles, lines);
  EXPECT_EQ(search("cut", 0), std::pair(whole, int64_t{0}));
}

/// One that gives scores alone.
class ScoresOnly : public Judge {
 public:
  int64_t classes() const override { return 0; }
};

TEST(Radin, NeedsLogits) {
  ScoresOnly evaluator;
  testing::expect_error<UsageError>(
      [&] {
        find_search("radin").run(vector_checkpoints(margins(1)), &evaluator,
                                 {.budget = 1});
      },
      "--budget: ranks ensembles, which takes logits");
}

}  // namespace
}  // namespace soup
