#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "recipe/rule_models.h"

/// Rules on task vectors: TIES, DARE, DELLA and what is made of them.
namespace soup {
namespace {

using testing::bytes;
using testing::checkpoint;
using testing::decode;
using testing::floats;
using testing::make;
using testing::mistakes;
using testing::Models;
using testing::recipe_for;
using testing::rule;
using testing::tunes;
using testing::with;

// What makes a rule on task vectors take all of one.
TEST(TaskRules, OneWholeTaskVectorGivesItsModel) {
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

TEST(TaskRules, SeedsDecideWhatIsDrawn) {
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

TEST(TaskRules, DensityIsTheShareThatStays) {
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

TEST(TaskRules, WhatStaysIsRescaledToItsLength) {
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

TEST(TaskRules, DellaKeepsTheLargerRatherThanTheSmaller) {
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

TEST(TaskRules, TiesAmongEqualMagnitudesGoToTheFirst) {
  Models models;
  models.push_back(checkpoint(
      "base", {floats("w", DType::kF32, std::vector<double>(10, 0))}));
  models.push_back(checkpoint(
      "a", {floats("w", DType::kF32, {1, -1, 1, 2, 1, -1, 1, 1, 1, 1})}));
  Recipe recipe = with(rule("ties"), models, {{"density", 0.4}});
  EXPECT_EQ(decode(DType::kF32, make(recipe, models)),
            (std::vector<double>{1, -1, 1, 2, 0, 0, 0, 0, 0, 0}));
}

TEST(TaskRules, DellasProbabilitiesStayBetweenZeroAndOne) {
  const Models models = tunes(2, DType::kF32);
  Recipe recipe = with(rule("della"), models, {{"density", 0.9}});
  EXPECT_NE(mistakes(recipe, models).find("give another epsilon"),
            std::string::npos);
  recipe.settings["epsilon"] = 0.05;
  EXPECT_EQ(mistakes(recipe, models), "none");
}

// Nothing is left out, whatever would choose it, nor rescaled.
TEST(TaskRules, DensityOfOneThinsNothing) {
  const Models models = tunes(3, DType::kF32);
  const auto thick = [&](const std::string& name) {
    Recipe recipe = with(rule(name), models, {{"density", 1}});
    recipe.settings["normalize"] = 0;
    return make(recipe, models);
  };
  const auto sums = thick("dare_linear");
  EXPECT_EQ(thick("breadcrumbs"), sums);
  EXPECT_EQ(thick("della_linear"), sums);
  EXPECT_EQ(make(recipe_for(rule("task_arithmetic"), models), models), sums);
  const auto agreeing = thick("ties");
  EXPECT_EQ(thick("dare_ties"), agreeing);
  EXPECT_EQ(thick("breadcrumbs_ties"), agreeing);
  EXPECT_EQ(thick("della"), agreeing);
  EXPECT_NE(agreeing, sums);
}

}  // namespace
}  // namespace soup
