#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "recipe/portions.h"
#include "recipe/settings.h"
#include "recipe/values.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::bytes_of;
using testing::checkpoint;
using testing::decode;
using testing::expect_error;
using testing::floats;
using testing::mix_all;
using testing::Models;
using testing::random_weights;

constexpr int64_t kRows = 40;
constexpr int64_t kColumns = 30;

// Rules that mix floats and need no companions.
std::vector<const Rule*> mixing_rules() {
  std::vector<const Rule*> all;
  for (const Rule& rule : rules()) {
    if (!rule.copies && !rule.has_companions) all.push_back(&rule);
  }
  return all;
}

// Models of which the first is the base, where the rule uses one.
size_t model_count(const Rule& rule) {
  const size_t donors =
      std::min<size_t>(std::max<size_t>(rule.least, 3), rule.most);
  return donors + (rule.base == BaseModel::kIgnored ? 0 : 1);
}

Recipe recipe_for(const Rule& rule, const Models& models) {
  Recipe recipe = testing::recipe_of(models);
  recipe.rule = rule.name;
  if (rule.base != BaseModel::kIgnored) recipe.base = 0;
  for (const RuleSetting& setting : rule.settings) {
    if (setting.name == "t") recipe.settings["t"] = 0.4;
    if (setting.name == "density") recipe.settings["density"] = 0.6;
  }
  return recipe;
}

std::vector<double> base_values(size_t n) { return random_weights(n, 77); }

// Fine-tunes of base_values().
Models tunes(size_t count, DType dtype, int64_t rows = kRows,
             int64_t columns = kColumns) {
  const auto n = static_cast<size_t>(rows * columns);
  Models models;
  for (size_t k = 0; k < count; ++k) {
    std::vector<double> values = base_values(n);
    const std::vector<double> change = random_weights(n, 100 + k);
    for (size_t i = 0; k > 0 && i < n; ++i) values[i] += 0.2 * change[i];
    models.push_back(
        checkpoint("m" + std::to_string(k),
                   {floats("layers.0.w", dtype, values, {rows, columns})}));
  }
  return models;
}

std::vector<std::byte> make(const Recipe& recipe, const Models& models,
                            int threads = 1) {
  return mix_all(recipe, models, {.threads = threads}).values.front();
}

class EveryRule : public ::testing::TestWithParam<const Rule*> {};

TEST_P(EveryRule, AModelMixedWithItselfIsItself) {
  for (DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    Models models;
    for (size_t k = 0; k < model_count(*GetParam()); ++k) {
      models.push_back(
          checkpoint("m" + std::to_string(k),
                     {floats("layers.0.w", dtype, base_values(kRows * kColumns),
                             {kRows, kColumns})}));
    }
    EXPECT_EQ(make(recipe_for(*GetParam(), models), models),
              testing::encode(dtype, base_values(kRows * kColumns)))
        << name(dtype);
  }
}

TEST_P(EveryRule, DoesNotDependOnThreads) {
  // More than two tiles: all threads prepare it together.
  const Rule& row = *GetParam();
  const bool alone = row.prepare != nullptr && !row.one_thread;
  const Models models = tunes(model_count(*GetParam()), DType::kBF16,
                              alone ? 2100 : 60, alone ? 1009 : 50);
  Recipe recipe = recipe_for(*GetParam(), models);
  EXPECT_EQ(make(recipe, models, 1), make(recipe, models, 5));
}

TEST_P(EveryRule, TakesScalarsAndEmptyTensors) {
  Models models;
  for (size_t k = 0; k < model_count(*GetParam()); ++k) {
    models.push_back(
        checkpoint("m" + std::to_string(k),
                   {bytes_of("scalar", DType::kF32, {},
                             testing::raw(std::vector<float>{0.5F})),
                    bytes_of("empty", DType::kF32, {0, 4}, {}),
                    floats("column", DType::kF32, {1, 2, 3}, {3, 1})}));
  }
  const testing::Mixed mixed = mix_all(recipe_for(*GetParam(), models), models);
  EXPECT_EQ(decode(DType::kF32, mixed.values[0]), std::vector<double>{0.5});
  EXPECT_TRUE(mixed.values[1].empty());
  EXPECT_EQ(decode(DType::kF32, mixed.values[2]),
            (std::vector<double>{1, 2, 3}));
}

TEST_P(EveryRule, RefusesNonFiniteValues) {
  Models models = tunes(model_count(*GetParam()), DType::kF32);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(models.back()->mutable_bytes(0).data() + 400, &nan, sizeof nan);
  expect_error<Error>([&] { make(recipe_for(*GetParam(), models), models); },
                      "'layers.0.w' has 1 non-finite value");
}

INSTANTIATE_TEST_SUITE_P(Rules, EveryRule, ::testing::ValuesIn(mixing_rules()),
                         [](const auto& test) {
                           return std::string(test.param->name);
                         });

Recipe with(const Rule& rule, const Models& models, const Settings& settings) {
  Recipe recipe = recipe_for(rule, models);
  recipe.settings.insert(settings.begin(), settings.end());
  for (const auto& [name, value] : settings) recipe.settings[name] = value;
  return recipe;
}

const Rule& rule(const std::string& name) {
  for (const Rule& row : rules()) {
    if (row.name == name) return row;
  }
  throw std::logic_error(name);
}

std::vector<std::byte> bytes(const Models& models, size_t k) {
  const TensorData data = models[k]->read(0);
  return {data.bytes().begin(), data.bytes().end()};
}

TEST(Rules, SlerpEndsAtItsModels) {
  const Models models = tunes(2, DType::kF64);
  EXPECT_EQ(make(with(rule("slerp"), models, {{"t", 0}}), models),
            bytes(models, 0));
  EXPECT_EQ(make(with(rule("slerp"), models, {{"t", 1}}), models),
            bytes(models, 1));
}

TEST(Rules, SlerpWithAZeroTensorIsALine) {
  Models models = tunes(2, DType::kF32);
  std::ranges::fill(models[0]->mutable_bytes(0), std::byte{0});
  const auto half = decode(
      DType::kF32, make(with(rule("slerp"), models, {{"t", 0.5}}), models));
  const auto whole = decode(DType::kF32, bytes(models, 1));
  for (size_t i = 0; i < half.size(); ++i) EXPECT_EQ(half[i], whole[i] / 2);
}

// What makes a rule on task vectors take all of one.
TEST(Rules, OneWholeTaskVectorGivesItsModel) {
  const std::set<std::string> all = {
      "task_arithmetic",  "ties",  "dare_linear", "dare_ties", "breadcrumbs",
      "breadcrumbs_ties", "della", "della_linear"};
  for (const std::string& name : all) {
    for (DType dtype : {DType::kF32, DType::kBF16}) {
      Models models = tunes(2, dtype);
      // Far smaller than in the base: base + difference would lose it.
      const float tiny = 1e-20F;
      if (dtype == DType::kF32) {
        std::memcpy(models[1]->mutable_bytes(0).data(), &tiny, sizeof tiny);
      }
      Recipe recipe = recipe_for(rule(name), models);
      if (recipe.settings.contains("density")) recipe.settings["density"] = 1;
      EXPECT_EQ(make(recipe, models), bytes(models, 1)) << name;
    }
  }
}

TEST(Rules, OrderOfModelsDoesNotMatter) {
  for (const char* name : {"linear", "task_arithmetic", "ties", "karcher",
                           "multislerp", "model_stock", "geometric_median",
                           "trimmed_mean", "breadcrumbs_ties"}) {
    Models models = tunes(4, DType::kF32);
    const auto before = make(recipe_for(rule(name), models), models);
    std::reverse(models.begin() + 1, models.end());
    EXPECT_EQ(make(recipe_for(rule(name), models), models), before) << name;
  }
}

TEST(Rules, SeedsDecideWhatIsDrawn) {
  for (const char* name :
       {"dare_linear", "dare_ties", "della", "della_linear"}) {
    const Models models = tunes(3, DType::kF32);
    Recipe recipe = recipe_for(rule(name), models);
    const auto first = make(recipe, models);
    EXPECT_EQ(make(recipe, models), first) << name;
    recipe.seed = 1;
    EXPECT_NE(make(recipe, models), first) << name;
  }
}

// How many elements of a rule's output differ from the base.
double share_kept(const Recipe& recipe, const Models& models) {
  const auto made = decode(DType::kF64, make(recipe, models));
  const auto base = decode(DType::kF64, bytes(models, 0));
  size_t count = 0;
  for (size_t i = 0; i < made.size(); ++i) count += made[i] != base[i] ? 1 : 0;
  return static_cast<double>(count) / static_cast<double>(made.size());
}

TEST(Rules, DensityIsTheShareThatStays) {
  const Models models = tunes(2, DType::kF64, 400, 300);
  const auto share = [&](const char* name, const Settings& settings) {
    return share_kept(with(rule(name), models, settings), models);
  };
  EXPECT_EQ(share("ties", {{"density", 0.3}}), 0.3);
  EXPECT_EQ(share("ties", {{"density", 0}}), 0);
  EXPECT_EQ(share("breadcrumbs", {{"density", 0.3}, {"gamma", 0.1}}), 0.3);
  EXPECT_EQ(share("breadcrumbs", {{"density", 0.95}, {"gamma", 0.1}}), 0.95);
  // Five standard deviations of a share of 120000.
  EXPECT_NEAR(share("dare_linear", {{"density", 0.3}}), 0.3, 0.0066);
  EXPECT_NEAR(share("della_linear", {{"density", 0.3}}), 0.3, 0.0066);
}

TEST(Rules, WhatStaysIsRescaledToItsLength) {
  Models models = tunes(2, DType::kF64, 50, 40);
  std::ranges::fill(models[0]->mutable_bytes(0), std::byte{0});
  const auto whole = decode(DType::kF64, bytes(models, 1));
  const auto length = [](const std::vector<double>& values) {
    double sum = 0;
    for (double x : values) sum += std::fabs(x);
    return sum;
  };
  for (const char* name : {"dare_linear", "della_linear"}) {
    const auto made =
        decode(DType::kF64, make(recipe_for(rule(name), models), models));
    EXPECT_NEAR(length(made), length(whole), 1e-9) << name;
  }
}

TEST(Rules, DellaKeepsTheLargerRatherThanTheSmaller) {
  Models models = tunes(2, DType::kF64, 1, 100000);
  std::ranges::fill(models[0]->mutable_bytes(0), std::byte{0});
  const auto whole = decode(DType::kF64, bytes(models, 1));
  const auto made =
      decode(DType::kF64,
             make(with(rule("della_linear"), models,
                       {{"density", 0.5}, {"epsilon", 0.3}, {"rescale", 0}}),
                  models));
  std::vector<double> sizes;
  for (double x : whole) sizes.push_back(std::fabs(x));
  std::sort(sizes.begin(), sizes.end());
  double large = 0;
  double small = 0;
  for (size_t i = 0; i < made.size(); ++i) {
    if (made[i] == 0) continue;
    (std::fabs(whole[i]) > sizes[90000] ? large : small) += 1;
  }
  // The largest tenth has probabilities from .74 to .8, the rest below.
  EXPECT_NEAR(large / 10000, 0.77, 0.022);
  EXPECT_NEAR(small / 90000, 0.47, 0.009);
}

TEST(Rules, TiesAmongEqualMagnitudesGoToTheFirst) {
  Models models;
  models.push_back(checkpoint(
      "base", {floats("w", DType::kF32, std::vector<double>(10, 0))}));
  models.push_back(checkpoint(
      "a", {floats("w", DType::kF32, {1, -1, 1, 2, 1, -1, 1, 1, 1, 1})}));
  Recipe recipe = with(rule("ties"), models, {{"density", 0.4}});
  EXPECT_EQ(decode(DType::kF32, make(recipe, models)),
            (std::vector<double>{1, -1, 1, 2, 0, 0, 0, 0, 0, 0}));
}

TEST(Rules, ModelStockDoesNotMoveAwayFromTheDonors) {
  Models models;
  for (double x : {0.0, 1.0, -0.9}) {
    models.push_back(checkpoint("m", {floats("w", DType::kF32, {x, 1})}));
  }
  EXPECT_EQ(decode(DType::kF32,
                   make(recipe_for(rule("model_stock"), models), models)),
            (std::vector<double>{0, 1}));
}

TEST(Rules, ModelStockByRatioOfSumsLetsLongVectorsCountMore) {
  Models models;
  models.push_back(checkpoint("base", {floats("w", DType::kF64, {0, 0})}));
  models.push_back(checkpoint("a", {floats("w", DType::kF64, {3, 0})}));
  models.push_back(checkpoint("b", {floats("w", DType::kF64, {4, 3})}));
  models.push_back(checkpoint("c", {floats("w", DType::kF64, {0.5, -0.1})}));
  // A = |(7.5, 2.9)|^2, Q = 9 + 25 + 0.26.
  const double t = 1.5 * (1 - 34.26 / (7.5 * 7.5 + 2.9 * 2.9));
  const auto made = decode(
      DType::kF64,
      make(with(rule("model_stock"), models, {{"ratio_of_sums", 1}}), models));
  EXPECT_NEAR(made[0], t * 2.5, 1e-12);
  EXPECT_NEAR(made[1], t * 2.9 / 3, 1e-12);
}

// Two of one length: the published form.
TEST(Rules, ModelStockByRatioOfSumsOfTwoIsThePublishedForm) {
  Models models;
  models.push_back(checkpoint("base", {floats("w", DType::kF64, {1, 1})}));
  models.push_back(checkpoint("a", {floats("w", DType::kF64, {1, 6})}));
  models.push_back(checkpoint("b", {floats("w", DType::kF64, {4, 5})}));
  const auto by = [&](double sums) {
    return decode(DType::kF64, make(with(rule("model_stock"), models,
                                         {{"ratio_of_sums", sums}}),
                                    models));
  };
  EXPECT_NEAR(by(1)[0], by(0)[0], 1e-12);
  EXPECT_NEAR(by(1)[1], by(0)[1], 1e-12);
  EXPECT_NEAR(by(0)[1], 1 + 2 * 0.8 / 1.8 * 4.5, 1e-12);
}

TEST(Rules, GeometricMedianIgnoresAnOutlier) {
  Models models;
  for (double x : {1.0, 1.0, 1.0, 100.0}) {
    models.push_back(checkpoint("m", {floats("w", DType::kF32, {x, -x})}));
  }
  const auto made = decode(
      DType::kF32, make(recipe_for(rule("geometric_median"), models), models));
  EXPECT_NEAR(made[0], 1, 1e-4);
  EXPECT_NEAR(made[1], -1, 1e-4);
}

TEST(Rules, GeometricMedianOfAnEquilateralTriangleIsItsCentre) {
  Models models;
  models.push_back(checkpoint("a", {floats("w", DType::kF64, {0, 0})}));
  models.push_back(checkpoint("b", {floats("w", DType::kF64, {2, 0})}));
  models.push_back(
      checkpoint("c", {floats("w", DType::kF64, {1, std::sqrt(3)})}));
  const auto made = decode(
      DType::kF64, make(recipe_for(rule("geometric_median"), models), models));
  EXPECT_NEAR(made[0], 1, 1e-8);
  EXPECT_NEAR(made[1], 1 / std::sqrt(3), 1e-8);
}

TEST(Rules, TrimmedMeanLeavesOutTheExtremes) {
  Models models;
  for (double x : {5.0, 1.0, -100.0, 3.0, 1e6}) {
    models.push_back(checkpoint("m", {floats("w", DType::kF32, {x})}));
  }
  const Rule& trimmed = rule("trimmed_mean");
  EXPECT_EQ(
      decode(DType::kF32, make(with(trimmed, models, {{"trim", 0.2}}), models)),
      std::vector<double>{3});
  EXPECT_EQ(
      decode(DType::kF32, make(with(trimmed, models, {{"trim", 0.5}}), models)),
      std::vector<double>{3});
}

TEST(Rules, LinesScalesWithDepth) {
  Models models;
  for (double x : {0.0, 1.0}) {
    models.push_back(checkpoint("m", {floats("blocks.0.w", DType::kF32, {x}),
                                      floats("blocks.1.w", DType::kF32, {x}),
                                      floats("blocks.2.w", DType::kF32, {x}),
                                      floats("head.w", DType::kF32, {x})}));
  }
  const testing::Mixed mixed = mix_all(
      with(rule("lines"), models, {{"alpha", 0.2}, {"beta", 0.6}}), models);
  const std::vector<double> expected = {0.2, 0.5, 0.8, 0.2};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(decode(DType::kF32, mixed.values[i]).front(),
              static_cast<float>(expected[i]));
  }
}

TEST(Rules, WeightsOfSingleTensors) {
  Models models;
  for (double x : {0.0, 1.0}) {
    models.push_back(checkpoint(
        "m", {floats("a", DType::kF32, {x}), floats("b", DType::kF32, {x})}));
  }
  Recipe recipe = testing::recipe_of(models);
  recipe.ingredients[1].tensor_weights = {{"b", 3}};
  const testing::Mixed mixed = mix_all(recipe, models);
  EXPECT_EQ(decode(DType::kF32, mixed.values[0]), std::vector<double>{0.5});
  EXPECT_EQ(decode(DType::kF32, mixed.values[1]), std::vector<double>{0.75});
}

std::string mistakes(const Recipe& recipe, const Models& models) {
  try {
    make_plan(recipe, testing::pointers(models));
  } catch (const UsageError& e) {
    return e.what();
  }
  return "none";
}

TEST(Rules, EveryMistakeOfARecipeIsSaidAtOnce) {
  const Models models = tunes(2, DType::kF32);
  Recipe recipe = testing::recipe_of(models);
  recipe.rule = "ties";
  recipe.settings = {{"densty", 0.5}, {"lambda", 2}};
  recipe.ingredients[1].settings = {{"density", 1.5}};
  const std::string said = mistakes(recipe, models);
  for (const char* part :
       {"'ties' needs a base model", "no setting 'densty', did you mean",
        "m1: density is 1.5, expected a number from 0 to 1"}) {
    EXPECT_NE(said.find(part), std::string::npos) << part << " in " << said;
  }
}

TEST(Rules, WhatARuleHasNoUseForIsRefused) {
  const Models models = tunes(2, DType::kF32);
  Recipe recipe = testing::recipe_of(models);
  recipe.base = 0;
  EXPECT_EQ(mistakes(recipe, models),
            "recipe: rule 'linear' has no use for a base model");
  recipe.rule = "slerp";
  recipe.settings["t"] = 0.5;
  recipe.ingredients[1].weight = 2;
  EXPECT_EQ(mistakes(recipe, models),
            "m1: rule 'slerp' has no use for a weight");
  recipe.ingredients[1].weight = 1;
  recipe.numerics = Numerics::kMergekit;
  EXPECT_EQ(mistakes(recipe, models),
            "recipe: numerics 'mergekit' are for linear and rules on task "
            "vectors, not for 'slerp'");
}

TEST(Rules, DellasProbabilitiesStayBetweenZeroAndOne) {
  const Models models = tunes(2, DType::kF32);
  Recipe recipe = with(rule("della"), models, {{"density", 0.9}});
  EXPECT_NE(mistakes(recipe, models).find("give another epsilon"),
            std::string::npos);
  recipe.settings["epsilon"] = 0.05;
  EXPECT_EQ(mistakes(recipe, models), "none");
}

}  // namespace
}  // namespace soup
