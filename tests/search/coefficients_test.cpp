#include "search/coefficients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "search/table_evaluator.h"

namespace soup {
namespace {

using ::testing::ElementsAre;

constexpr size_t kIngredients = 3;
// Two groups; the second ingredient is the mean in the second.
const Table kFree = {0.3, -1.2, 0.8, 2, 0.1, -0.4};
const Table kDistances = {0.5, 2, 4, 1, 0, 3};

double sum_of(const Table& table, size_t group) {
  const auto begin =
      table.begin() + static_cast<ptrdiff_t>(group * kIngredients);
  return std::accumulate(begin, begin + kIngredients, 0.0);
}

std::vector<Coefficients> forms() {
  return {Coefficients(kIngredients), Coefficients(kIngredients, kDistances)};
}

TEST(CoefficientsTest, AreEqualAtTheStartAndSumToOne) {
  for (const Coefficients& form : forms()) {
    for (const double value : form.of(Table(kFree.size()))) {
      EXPECT_DOUBLE_EQ(value, 1.0 / kIngredients);
    }
    const Table made = form.of(kFree);
    EXPECT_NEAR(sum_of(made, 0), 1, 1e-15);
    EXPECT_NEAR(sum_of(made, 1), 1, 1e-15);
  }
}

TEST(CoefficientsTest, OfASoftmaxArePositiveOfTheOtherForm) {
  const Table positive = Coefficients(kIngredients).of(kFree);
  EXPECT_NEAR(positive[0] / positive[1], std::exp(1.5), 1e-12);
  for (const double value : positive) EXPECT_GT(value, 0);
  EXPECT_DOUBLE_EQ(Coefficients(kIngredients).of({1e9, 0, 0})[0], 1);
  // c + x (theta_0 - c) / |theta_0 - c| with x = 1, |theta_0 - c| = 0.5.
  const Table any =
      Coefficients(kIngredients, kDistances).of({1, 0, 0, 0, 5, 0});
  EXPECT_NEAR(any[0], 2 + (1 - 2) / 3.0, 1e-15);
  EXPECT_NEAR(any[1], (1 - 2) / 3.0, 1e-15);
  EXPECT_NEAR(any[4], 1 / 3.0, 1e-15);  // no distance, no change
}

TEST(CoefficientsTest, SlopesAreThoseOfSmallSteps) {
  const Table by = {1, -2, 0.5, 3, 0.25, -1};  // of a linear function
  const auto value = [&](const Table& coefficients) {
    return std::inner_product(by.begin(), by.end(), coefficients.begin(), 0.0);
  };
  for (const Coefficients& form : forms()) {
    const Table slope = form.slope(kFree, by);
    for (size_t i = 0; i < kFree.size(); ++i) {
      constexpr double kStep = 1e-6;
      Table up = kFree;
      Table down = kFree;
      up[i] += kStep;
      down[i] -= kStep;
      EXPECT_NEAR(slope[i],
                  (value(form.of(up)) - value(form.of(down))) / (2 * kStep),
                  1e-8);
    }
  }
}

// torch.optim.AdamW(lr=0.1, weight_decay=0) after slopes 1, -3 and 0.5.
TEST(AdamTest, StepsAsTorch) {
  std::vector<double> values = {2};
  Adam adam;
  adam.step(values, std::vector<double>{1}, 0.1);
  EXPECT_NEAR(values[0], 1.9, 1e-8);
  adam.step(values, std::vector<double>{-3}, 0.1);
  const double mean = 0.09 - 0.3;
  const double square = 0.001 * 0.999 + 0.009;
  EXPECT_NEAR(
      values[0],
      1.9 - 0.1 * (mean / 0.19) / (std::sqrt(square / (1 - 0.999 * 0.999))),
      1e-8);
}

class GroupsTest : public ::testing::Test {
 protected:
  static Plan plan_of(const std::vector<TensorInfo>& infos,
                      const std::string& exclude = "") {
    const MemoryCheckpoint one("one", infos);
    const MemoryCheckpoint two("two", infos);
    Recipe recipe;
    recipe.ingredients = {{.path = "one"}, {.path = "two"}};
    recipe.exclude = exclude;
    const Checkpoint* const both[] = {&one, &two};
    return make_plan(recipe, both);
  }
  static std::vector<std::string> names(const std::vector<Group>& groups) {
    std::vector<std::string> all;
    for (const Group& group : groups) all.push_back(group.name);
    return all;
  }
  const std::vector<TensorInfo> infos_ = {
      {.name = "cls_token", .shape = {2}},
      {.name = "embed.proj.weight", .shape = {2}},
      {.name = "embed.proj.bias", .shape = {2}},
      {.name = "blocks.0.fc.weight", .shape = {2}},
      {.name = "blocks.0.norm.weight", .shape = {2}},
      {.name = "blocks.10.fc.weight", .shape = {2}},
      {.name = "head.weight", .shape = {2}},
      {.name = "steps", .dtype = DType::kI64, .shape = {}},
  };
};

TEST_F(GroupsTest, OfLayersAreBlocksAndModules) {
  const auto groups = groups_of(plan_of(infos_), Share::kLayer);
  EXPECT_THAT(names(groups), ElementsAre("cls_token", "embed.proj", "blocks.0",
                                         "blocks.10", "head"));
  EXPECT_THAT(groups[2].tensors, ElementsAre(3, 4));
}

TEST_F(GroupsTest, OfModelAndTensorsLeaveOutWhatIsNotMixed) {
  const Plan plan = plan_of(infos_, "^head");
  const auto whole = groups_of(plan, Share::kModel);
  EXPECT_THAT(names(whole), ElementsAre(""));
  EXPECT_THAT(whole[0].tensors, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(groups_of(plan, Share::kTensor).size(), 6U);
}

}  // namespace
}  // namespace soup
