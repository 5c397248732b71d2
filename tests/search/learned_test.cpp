#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
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

/// The loss log(1 + exp(-factor * margin)) of a TableEvaluator's margins.
class TableGradients : public GradientSource {
 public:
  int64_t examples() const override { return kExamples; }
  LossSlope differentiate(const Checkpoint& weights,
                          std::span<const int64_t> which,
                          double factor) override {
    ++calls;
    const TensorData data = weights.read(0);
    auto gradient = vector_checkpoint(
        "gradient", std::vector<float>(static_cast<size_t>(kExamples)));
    auto& slopes = dynamic_cast<MemoryCheckpoint&>(*gradient);
    LossSlope made;
    const double share = 1.0 / static_cast<double>(which.size());
    for (const int64_t i : which) {
      seen.push_back(i);
      float margin = 0;
      std::memcpy(&margin, data.bytes().data() + i * 4, 4);
      const double chance = 1 / (1 + std::exp(factor * margin));
      made.loss += share * std::log1p(std::exp(-factor * margin));
      made.by_factor -= share * chance * margin;
      const auto slope = static_cast<float>(-share * chance * factor);
      std::memcpy(slopes.mutable_bytes(0).data() + i * 4, &slope, 4);
    }
    made.by_weights = std::move(gradient);
    return made;
  }
  int64_t calls = 0;
  std::vector<int64_t> seen;
};

class LearnableEvaluator : public TableEvaluator {
 public:
  LearnableEvaluator() : TableEvaluator(kExamples) {}
  GradientSource* gradients() override { return &source; }
  std::optional<Score> evaluate(const Checkpoint& weights,
                                const EvaluateOptions& options) override {
    if (!options.order.empty()) {
      asked.emplace_back(options.order.begin(), options.order.end());
    }
    return TableEvaluator::evaluate(weights, options);
  }
  TableGradients source;
  std::vector<std::vector<int64_t>> asked;
};

/// Ingredient 1 is right on most examples, the others on few.
std::vector<CheckpointPtr> zoo() {
  std::mt19937 engine(3);
  std::normal_distribution<float> noise(0, 1);
  std::vector<CheckpointPtr> all;
  for (int k = 0; k < 3; ++k) {
    std::vector<float> margins(kExamples);
    for (float& m : margins) m = noise(engine) + (k == 1 ? 1.0F : -0.8F);
    all.push_back(vector_checkpoint("model_" + std::to_string(k), margins));
  }
  return all;
}

class LearnedTest : public ::testing::Test {
 protected:
  SearchResult learn() {
    options_.learning.batch_size = 8;
    options_.on_epoch = [&](const LearnedEpoch& e) { epochs_.push_back(e); };
    return find_search("learned").run(checkpoints_, &evaluator_, options_);
  }
  std::vector<CheckpointPtr> checkpoints_ = zoo();
  LearnableEvaluator evaluator_;
  SearchOptions options_;
  std::vector<LearnedEpoch> epochs_;
};

TEST_F(LearnedTest, GivesWeightToTheIngredientThatHelps) {
  const SearchResult result = learn();
  ASSERT_EQ(result.recipe.ingredients.size(), 3U);
  EXPECT_GT(result.recipe.ingredients[1].weight, 0.5);
  EXPECT_TRUE(result.reason.empty());
  ASSERT_EQ(epochs_.size(), 6U);
  EXPECT_FALSE(epochs_[0].loss);
  EXPECT_LT(*epochs_[5].loss, *epochs_[1].loss);
  for (const LearnedEpoch& epoch : epochs_) {
    EXPECT_LE(epoch.score.value, result.score->value);
    EXPECT_EQ(epoch.score.count, kExamples);
  }
  EXPECT_GT(result.score->value, epochs_[0].score.value);
}

TEST_F(LearnedTest, StartsFromThePlainAverage) {
  learn();
  TableEvaluator plain(kExamples);
  const auto uniform =
      find_search("uniform").run(checkpoints_, nullptr, options_);
  std::vector<const Checkpoint*> all;
  for (const CheckpointPtr& one : checkpoints_) all.push_back(one.get());
  EXPECT_EQ(epochs_[0].score.correct,
            plain.evaluate(*soup_in_memory(uniform.recipe, all), {})->correct);
}

TEST_F(LearnedTest, ScoresNoExampleByWhatWasLearnedOnIt) {
  options_.learning.epochs = 1;
  options_.learning.folds = 3;
  learn();
  ASSERT_EQ(evaluator_.asked.size(), 3U);
  std::vector<int64_t> scored;
  // 40 examples are learned from, then the other 20 are scored.
  for (size_t fold = 0; fold < 3; ++fold) {
    const auto begin =
        evaluator_.source.seen.begin() + static_cast<ptrdiff_t>(fold * 40);
    const std::vector<int64_t> learned(begin, begin + 40);
    for (const int64_t i : evaluator_.asked[fold]) {
      EXPECT_EQ(std::count(learned.begin(), learned.end(), i), 0);
      scored.push_back(i);
    }
  }
  std::sort(scored.begin(), scored.end());
  for (int64_t i = 0; i < kExamples; ++i) EXPECT_EQ(scored.at(i), i);
}

TEST_F(LearnedTest, KeepsThePlainAverageWhereNothingIsBetter) {
  for (size_t k = 0; k < checkpoints_.size(); ++k) {
    checkpoints_[k] = vector_checkpoint("model_" + std::to_string(k),
                                        std::vector<float>(kExamples, 1.0F));
  }
  const SearchResult result = learn();
  EXPECT_NE(result.reason.find("not better than equal"), std::string::npos);
  for (const Ingredient& ingredient : result.recipe.ingredients) {
    EXPECT_DOUBLE_EQ(ingredient.weight, 1.0 / 3);
  }
}

TEST_F(LearnedTest, AffineCoefficientsMayBeNegative) {
  options_.learning.affine = true;
  options_.learning.rate = 2;
  const SearchResult result = learn();
  double sum = 0;
  double least = 1;
  for (const Ingredient& ingredient : result.recipe.ingredients) {
    sum += ingredient.weight;
    least = std::min(least, ingredient.weight);
  }
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_LT(least, 0);
}

TEST_F(LearnedTest, SaysWhatItCannotLearnFrom) {
  TableEvaluator plain(kExamples);
  expect_error<UsageError>(
      [&] { find_search("learned").run(checkpoints_, &plain, options_); },
      "has no gradients");
  options_.learning.folds = 61;
  expect_error<UsageError>([&] { learn(); }, "61 of only 60 examples");
  options_.learning.folds = 5;
  checkpoints_.resize(1);
  expect_error<UsageError>([&] { learn(); }, "one checkpoint alone");
}

class LearnedResumeTest : public LearnedTest {
 protected:
  std::string journal(const std::string& run) const {
    std::ifstream file(folder_ / run / "journal.jsonl");
    std::string kept;
    for (std::string line; std::getline(file, line);) {
      auto record = nlohmann::ordered_json::parse(line);
      record.erase("seconds");
      record.erase("check");
      kept += record.dump() + "\n";
    }
    return kept;
  }
  TempFolder folder_;
};

TEST_F(LearnedResumeTest, GoesOnFromEveryRecord) {
  options_.learning.epochs = 2;
  options_.learning.folds = 2;
  options_.run_dir = folder_ / "whole";
  const SearchResult whole = learn();
  const int64_t calls = evaluator_.source.calls;
  const std::string expected = journal("whole");
  const auto records = std::count(expected.begin(), expected.end(), '\n');
  ASSERT_GE(records, 1 + 1 + 2 * 2 + 1);  // run, score, folds, all examples
  for (int64_t known = 1; known <= records; ++known) {
    std::filesystem::create_directory(folder_ / "cut");
    std::ifstream from(folder_ / "whole" / "journal.jsonl");
    std::ofstream to(folder_ / "cut" / "journal.jsonl");
    std::string line;
    for (int64_t i = 0; i < known && std::getline(from, line); ++i) {
      to << line << "\n";
    }
    to.close();
    options_.run_dir = folder_ / "cut";
    evaluator_.source.calls = 0;
    const SearchResult again = learn();
    EXPECT_EQ(journal("cut"), expected) << known;
    EXPECT_EQ(again.score->correct, whole.score->correct);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(again.recipe.ingredients[i].weight,
                whole.recipe.ingredients[i].weight);
    }
    EXPECT_EQ(evaluator_.source.calls<calls, known> 2) << known;
  }
  EXPECT_EQ(evaluator_.source.calls, 0);
  options_.learning.epochs = 3;
  expect_error<Error>([&] { learn(); }, "--epochs was 2, is 3");
}

}  // namespace
}  // namespace soup
