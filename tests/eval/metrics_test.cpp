#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/table.h"
#include "soup/eval.h"

namespace soup {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

double term(const std::string& metric, const std::vector<float>& logits,
            int32_t label) {
  return find_row(metrics(), metric, "metric").term(logits, label);
}

TEST(Metrics, Top1TiesGoToTheLowestClass) {
  EXPECT_EQ(term("top1", {0, 2, 1}, 1), 1);
  EXPECT_EQ(term("top1", {0, 2, 1}, 2), 0);
  EXPECT_EQ(term("top1", {2, 2, 1}, 0), 1);
  EXPECT_EQ(term("top1", {2, 2, 1}, 1), 0);
}

TEST(Metrics, Top5CountsTheBestFive) {
  const std::vector<float> logits = {6, 5, 4, 3, 2, 2, 0};
  EXPECT_EQ(term("top5", logits, 0), 1);
  EXPECT_EQ(term("top5", logits, 4), 1);
  EXPECT_EQ(term("top5", logits, 5), 0);  // as good as the fifth, but later
  EXPECT_EQ(term("top5", {1, 2}, 0), 1);
}

TEST(Metrics, NllIsInNats) {
  EXPECT_NEAR(term("nll", {0, 0, 0, 0}, 2), std::log(4.0), 1e-12);
  EXPECT_NEAR(term("nll", {1, 3}, 0), std::log(1 + std::exp(2.0)), 1e-12);
  EXPECT_NEAR(term("nll", {1000, 998}, 1), std::log(1 + std::exp(2.0)), 1e-9);
}

TEST(Metrics, WhatIsNoNumberIsWrong) {
  for (const char* metric : {"top1"}) {
    EXPECT_EQ(term(metric, {kNan, kNan}, 0), 0);
    EXPECT_EQ(term(metric, {kNan, 1}, 1), 0);
    EXPECT_EQ(term(metric, {1, kNan}, 0), 0);
  }
  EXPECT_EQ(term("top5", std::vector<float>(6, kNan), 0), 0);
  EXPECT_TRUE(std::isnan(term("nll", {kNan, 1}, 0)));
  EXPECT_EQ(term("top1", {kInf, 1}, 0), 1);
}

TEST(Metrics, TermsThatCountAreZeroOrOne) {
  for (const Metric& metric : metrics()) {
    if (!metric.counts) continue;
    for (int32_t label = 0; label < 3; ++label) {
      const double value = metric.term(std::vector<float>{3, 1, 2}, label);
      EXPECT_TRUE(value == 0 || value == 1);
    }
  }
}

}  // namespace
}  // namespace soup
