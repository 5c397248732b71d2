#include "search/trajectory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "search/table_evaluator.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using testing::vector_checkpoint;

TEST(Trajectory, CountsTheNewestAllAlikeOrMore) {
  EXPECT_THAT(trajectory_weights({}, 3), ElementsAre(1, 1, 1));
  EXPECT_THAT(trajectory_weights({.last = 2}, 3), ElementsAre(1, 1));
  EXPECT_THAT(trajectory_weights({.decay = Decay::kLinear, .last = 3}, 5),
              ElementsAre(1, 2, 3));
}

// Step by step, as a training loop keeps it.
TEST(Trajectory, ExponentialWeightsAreThoseOfAMovingAverage) {
  const std::vector<double> values = {3, -1, 4, 1, -5};
  double average = values.front();
  for (size_t i = 1; i < values.size(); ++i) {
    average = 0.8 * average + 0.2 * values[i];
  }
  const auto weights =
      trajectory_weights({.decay = Decay::kEma, .factor = 0.8}, values.size());
  double sum = 0;
  double total = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += weights[i] * values[i];
    total += weights[i];
  }
  EXPECT_NEAR(sum, average, 1e-12);
  EXPECT_NEAR(total, 1, 1e-12);
}

// theta_0 + sum of d_j (theta_j - theta_{j-1}).
TEST(Trajectory, AScheduleCountsSharesOfUpdates) {
  const std::vector<double> shares = {1, 0.5, 0.25};
  const std::vector<double> values = {3, -1, 4, 7};
  double decayed = values.front();
  for (size_t j = 1; j < values.size(); ++j) {
    decayed += shares[j - 1] * (values[j] - values[j - 1]);
  }
  const auto weights = trajectory_weights(
      {.decay = Decay::kSchedule, .schedule = shares}, values.size());
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += weights[i] * values[i];
  EXPECT_NEAR(sum, decayed, 1e-12);
  // Linear decay is the mean.
  EXPECT_THAT(
      trajectory_weights(
          {.decay = Decay::kSchedule, .schedule = {0.75, 0.5, 0.25}}, 4),
      ElementsAre(0.25, 0.25, 0.25, 0.25));
}

TEST(Trajectory, RefusesWhatMakesNoWeights) {
  const auto refused = [](const Trajectory& along, const std::string& why) {
    expect_error<UsageError>([&] { trajectory_weights(along, 3); }, why);
  };
  refused({.last = 4}, "--last 4: there are only 3 checkpoints");
  refused({.decay = Decay::kEma, .factor = 1},
          "--factor: must lie between 0 and 1");
  refused({.decay = Decay::kSchedule, .schedule = {1}},
          "--schedule: 3 checkpoints have 2 updates between them, 1 shares are "
          "given");
  refused({.decay = Decay::kSchedule, .schedule = {0.5, 0.6}},
          "--schedule: shares go from 1 downwards to 0");
  refused({.decay = Decay::kSchedule, .schedule = {0.5, -0.1}},
          "--schedule: shares go from 1 downwards to 0");
}

TEST(Trajectory, LeavesOutWhatDoesNotCount) {
  std::vector<CheckpointPtr> run;
  for (const char* name : {"1", "2", "3", "4"}) {
    run.push_back(vector_checkpoint(name, {0}));
  }
  SearchOptions options;
  options.trajectory = {
      .decay = Decay::kSchedule, .last = 3, .schedule = {1, 0.25}};
  const auto found = find_search("trajectory").run(run, nullptr, options);
  ASSERT_EQ(found.recipe.ingredients.size(), 2U);
  EXPECT_EQ(found.recipe.ingredients[0].path, "3");
  EXPECT_EQ(found.recipe.ingredients[0].weight, 0.75);
  EXPECT_EQ(found.recipe.ingredients[1].path, "4");
  EXPECT_EQ(found.recipe.ingredients[1].weight, 0.25);
}

}  // namespace
}  // namespace soup
