// Slopes and steps of learned soups against those of Python's autograd
// (scripts/make_learned_references.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/log.h"
#include "search/learner.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kClose = 1e-5;
constexpr size_t kModels = 3;
constexpr int64_t kSteps = 3;

class LearnedReference : public ::testing::TestWithParam<size_t> {
 protected:
  LearnedReference() {
    log::set_level(log::Level::kQuiet);
    const fs::path folder = fs::path(SOUP_TEST_DATA) / "learned";
    for (size_t i = 0; i < kModels; ++i) {
      models_.push_back(open_checkpoint(
          folder / ("model_" + std::to_string(i) + ".safetensors")));
    }
    std::ifstream file(folder / "expected.json");
    case_ = json::parse(file).at(GetParam());
    const DatasetSpec spec = find_dataset((folder / "data.json").string(), "");
    EvaluatorOptions options;
    options.device = "cpu";
    evaluator_ = std::move(
        make_evaluators({&spec, 1}, *models_.front(), options).front());
    const std::string by = case_.at("by");
    search_.learning.by = by == "model"   ? Share::kModel
                          : by == "layer" ? Share::kLayer
                                          : Share::kTensor;
    search_.learning.affine = case_.at("form") == "affine";
    search_.learning.epochs = kSteps;
    learner_.emplace(models_, *evaluator_->gradients(), search_);
  }
  ~LearnedReference() override { log::set_level(log::Level::kNormal); }

  std::vector<int64_t> all() const {
    std::vector<int64_t> order(static_cast<size_t>(evaluator_->examples()));
    std::iota(order.begin(), order.end(), 0);
    return order;
  }

  /// Numbers by group as a table in the learner's order.
  Table table(const json& by_group) const {
    Table made;
    for (const Group& group : learner_->groups()) {
      for (const double value : by_group.at(group.name)) made.push_back(value);
    }
    return made;
  }

  void expect_near(const Table& found, const Table& expected) const {
    double largest = 0;
    for (const double value : expected) {
      largest = std::max(largest, std::abs(value));
    }
    ASSERT_GE(found.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], kClose * largest)
          << learner_->groups()[i / kModels].name;
    }
  }

  std::vector<CheckpointPtr> models_;
  json case_;
  std::unique_ptr<Evaluator> evaluator_;
  SearchOptions search_;
  std::optional<Learner> learner_;
};

TEST_P(LearnedReference, SlopesAreThoseOfAutograd) {
  const json& point = case_.at("point");
  Lesson lesson = learner_->begin();
  Table values = table(point.at("values"));
  values.push_back(point.at("factor"));
  ASSERT_EQ(values.size(), lesson.values.size());
  lesson.values = values;
  std::vector<double> slope;
  const double loss = learner_->differentiate(lesson, all(), slope);
  EXPECT_NEAR(loss, point.at("loss").get<double>(), kClose);
  expect_near(slope, table(point.at("slope")));
  const double by_factor = point.at("by_factor");
  EXPECT_NEAR(slope.back(), search_.learning.affine ? 0 : by_factor, kClose);
}

TEST_P(LearnedReference, StepsAreThoseOfItsOptimizer) {
  const json& steps = case_.at("steps");
  Lesson lesson = learner_->begin();
  Progress progress("", 1, Unit::kExamples, false);
  for (const double loss : steps.at("losses")) {
    EXPECT_NEAR(learner_->epoch(lesson, all(), 1, progress), loss, kClose);
  }
  expect_near(lesson.values, table(steps.at("values")));
  EXPECT_NEAR(lesson.values.back(), steps.at("factor").get<double>(), kClose);
  const Recipe recipe = learner_->recipe(lesson);
  const json& coefficients = steps.at("coefficients");
  for (size_t i = 0; i < kModels; ++i) {
    const Ingredient& ingredient = recipe.ingredients[i];
    if (search_.learning.by == Share::kModel) {
      EXPECT_NEAR(ingredient.weight, coefficients.at("").at(i).get<double>(),
                  kClose);
    }
    if (search_.learning.by != Share::kTensor) continue;
    for (const auto& [name, weight] : ingredient.tensor_weights) {
      EXPECT_NEAR(weight, coefficients.at(name).at(i).get<double>(), kClose);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, LearnedReference,
                         ::testing::Range<size_t>(0, 6));

}  // namespace
}  // namespace soup
