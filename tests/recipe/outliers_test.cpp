#include "recipe/outliers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "recipe/values.h"

namespace soup {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using testing::floats;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Models;

constexpr size_t kBody = 50'000;  // several chunks, of which some are measured
constexpr size_t kHead = 640;

// `base` plus a little of its own.
std::vector<double> tuned(const std::vector<double>& base, uint64_t seed,
                          double step) {
  std::vector<double> values = testing::random_weights(base.size(), seed);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = base[i] + step * values[i];
  }
  return values;
}

// Fine-tune `k` of the model `body_seed` with the head `head_seed`.
std::unique_ptr<MemoryCheckpoint> model(uint64_t k, uint64_t body_seed,
                                        uint64_t head_seed, double step = 0.1) {
  const std::vector<double> body = testing::random_weights(kBody, body_seed);
  const std::vector<double> head = testing::random_weights(kHead, head_seed);
  return testing::checkpoint("m" + std::to_string(k) + ".pt",
                             {floats("blocks.0.weight", DType::kF32,
                                     tuned(body, 100 + k, step), {50, 1000}),
                              floats("head.weight", DType::kBF16,
                                     tuned(head, 200 + k, step), {10, 64})});
}

std::vector<std::string> notices(const Models& models,
                                 const std::vector<double>& weights = {}) {
  return testing::mix_all(testing::recipe_of(models, weights), models)
      .result.notices;
}

TEST(Outliers, FineTunesOfOneModelAreNone) {
  for (double step : {0.0, 0.01, 0.1, 0.3}) {
    Models models;
    for (uint64_t k = 0; k < 6; ++k) models.push_back(model(k, 1, 2, step));
    EXPECT_THAT(notices(models), IsEmpty()) << step;
    models.resize(2);
    EXPECT_THAT(notices(models), IsEmpty()) << step;
    models.resize(1);
    EXPECT_THAT(notices(models), IsEmpty()) << step;
  }
}

// A learning rate ten times as high is no reason to warn.
TEST(Outliers, OneThatWentFartherIsNone) {
  Models models;
  for (uint64_t k = 0; k < 5; ++k) {
    models.push_back(model(k, 1, 2, k == 3 ? 0.3 : 0.03));
  }
  EXPECT_THAT(notices(models), IsEmpty());
}

// The mean of n models, one of which is at a right angle to the others, is
// sqrt((n - 1)^2 + 1) / n long; that one lies sqrt(2) from the others.
TEST(Outliers, AModelOfOtherOriginIsNamedWithFigures) {
  for (const auto& [count, figure] : {std::pair{3U, "m2.pt lies 1[89].%"},
                                      std::pair{8U, "m2.pt lies 1[56].%"},
                                      std::pair{40U, "m2.pt lies 14.%"}}) {
    Models models;
    for (uint64_t k = 0; k < count; ++k) {
      models.push_back(model(k, k == 2 ? 9 : 1, 2));
    }
    EXPECT_THAT(
        notices(models),
        ElementsAre(AllOf(ContainsRegex(figure), HasSubstr("which lie "),
                          HasSubstr("trained from the same weights?"))))
        << count;
  }
}

TEST(Outliers, ModelsThatAllCameFromElsewhereAreNamedOnce) {
  for (size_t count : {2, 5}) {
    Models models;
    for (uint64_t k = 0; k < count; ++k) models.push_back(model(k, k, 20 + k));
    EXPECT_THAT(notices(models),
                ElementsAre(HasSubstr("the ingredients lie ")));
  }
}

TEST(Outliers, AHeadOfItsOwnIsNamed) {
  Models models;
  for (uint64_t k = 0; k < 4; ++k)
    models.push_back(model(k, 1, k == 1 ? 9 : 2));
  EXPECT_THAT(notices(models),
              ElementsAre(AllOf(HasSubstr("m1.pt: 'head.weight' lies "),
                                HasSubstr("evidently initialised on its own"),
                                HasSubstr("--exclude '^head\\.'"))));
}

TEST(Outliers, HeadsThatDifferEverywhereAreNamed) {
  for (size_t count : {2, 4}) {
    Models models;
    for (uint64_t k = 0; k < count; ++k) models.push_back(model(k, 1, 20 + k));
    EXPECT_THAT(
        notices(models),
        ElementsAre(AllOf(HasSubstr("'head.weight' lies "),
                          HasSubstr("initialised apart in every ingredient"))));
  }
}

TEST(Outliers, UnequalWeightsSayNothing) {
  Models models;
  for (uint64_t k = 0; k < 3; ++k) models.push_back(model(k, k, 2));
  EXPECT_THAT(notices(models, {1, 2, 3}), IsEmpty());
}

}  // namespace
}  // namespace soup
