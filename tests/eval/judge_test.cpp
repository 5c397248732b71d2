#include "eval/judge.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace soup {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Verdict of(const std::vector<float>& logits, int32_t label) {
  return judge(logits, label, 7, metrics().front());
}

TEST(Judge, SaysWhatAndByHowMuch) {
  const Verdict right = of({1, 4, 2}, 1);
  EXPECT_EQ(right.example, 7);
  EXPECT_EQ(right.label, 1);
  EXPECT_EQ(right.prediction, 1);
  EXPECT_EQ(right.margin, 2);
  EXPECT_EQ(right.term, 1);
  const Verdict wrong = of({1, 4, 2}, 2);
  EXPECT_EQ(wrong.prediction, 1);
  EXPECT_EQ(wrong.margin, -2);
  EXPECT_EQ(wrong.term, 0);
}

TEST(Judge, TiesGoToTheLowestClass) {
  EXPECT_EQ(of({3, 3}, 1).prediction, 0);
  EXPECT_EQ(of({3, 3}, 1).margin, 0);
  EXPECT_EQ(of({3, 3}, 1).term, 0);
}

TEST(Judge, MarginIsAlwaysANumber) {
  EXPECT_EQ(of({kInf, kInf}, 0).margin, 0);
  EXPECT_EQ(of({-kInf, -kInf}, 0).margin, 0);
  EXPECT_EQ(of({kInf, 1}, 0).margin, kInf);
  EXPECT_EQ(of({kNan, 1}, 1).margin, -kInf);
  EXPECT_EQ(of({5}, 0).margin, kInf);
}

TEST(Judge, NoPredictionWithoutNumbers) {
  EXPECT_EQ(of({1, kNan}, 0).prediction, -1);
  EXPECT_EQ(of({1, kNan}, 0).term, 0);
}

TEST(Judge, OfSeveralRightLabelsTheClosestCounts) {
  const std::vector<float> logits = {1, 5, 3, 5};
  const std::vector<int32_t> also = {3, 2};
  EXPECT_EQ(closest_label(logits, 0, also), 3);
  EXPECT_EQ(closest_label(logits, 2, {}), 2);
  // Of equals the lowest, which is the model's choice.
  EXPECT_EQ(closest_label(logits, 3, std::vector<int32_t>{1}), 1);
}

}  // namespace
}  // namespace soup
