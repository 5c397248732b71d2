#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "recipe/portions.h"
#include "recipe/rule_models.h"
#include "recipe/settings.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::base_values;
using testing::bytes;
using testing::bytes_of;
using testing::checkpoint;
using testing::decode;
using testing::expect_error;
using testing::floats;
using testing::kColumns;
using testing::kRows;
using testing::make;
using testing::mistakes;
using testing::mix_all;
using testing::model_count;
using testing::Models;
using testing::recipe_for;
using testing::rule;
using testing::tunes;
using testing::with;

// Rules that mix floats and need no companions.
std::vector<const Rule*> mixing_rules() {
  std::vector<const Rule*> all;
  for (const Rule& rule : rules()) {
    if (!rule.copies && !rule.has_companions) all.push_back(&rule);
  }
  return all;
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

TEST(Rules, WhatHasNoWeightDoesNotCount) {
  const Models models = tunes(2, DType::kF32);
  Recipe recipe = testing::recipe_of(models, {0.3, 0});
  EXPECT_EQ(make(recipe, models), bytes(models, 0));
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

}  // namespace
}  // namespace soup
