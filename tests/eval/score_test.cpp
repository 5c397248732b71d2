#include <gtest/gtest.h>

#include <limits>

#include "soup/eval.h"

namespace soup {
namespace {

Score counted(int64_t correct, int64_t count = 10) {
  return {.value = static_cast<double>(correct) / static_cast<double>(count),
          .count = count,
          .correct = correct};
}

Score valued(double value, bool higher = true) {
  return {.value = value, .higher_is_better = higher};
}

TEST(IsBetter, ComparesCounts) {
  EXPECT_TRUE(is_better(counted(5), counted(4), true));
  EXPECT_TRUE(is_better(counted(5), counted(5), false));
  EXPECT_FALSE(is_better(counted(5), counted(5), true));
  EXPECT_FALSE(is_better(counted(4), counted(5), false));
}

TEST(IsBetter, CountsWinOverRoundedValues) {
  Score a = counted(5);
  Score b = counted(5);
  a.value = 0.5000000001;  // as read from a file with rounded numbers
  EXPECT_FALSE(is_better(a, b, true));
  EXPECT_TRUE(is_better(b, a, false));
}

TEST(IsBetter, ValuesOfDifferentCountsAreComparedAsSuch) {
  EXPECT_TRUE(is_better(counted(5, 10), counted(9, 20), true));
}

TEST(IsBetter, LowerMayBeBetter) {
  EXPECT_TRUE(is_better(valued(0.1, false), valued(0.2, false), true));
  EXPECT_FALSE(is_better(valued(0.2, false), valued(0.1, false), false));
  EXPECT_TRUE(is_better(valued(0.2, false), valued(0.2, false), false));
}

TEST(IsBetter, WhatIsNoNumberIsNeverBetter) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const bool higher : {true, false}) {
    EXPECT_FALSE(is_better(valued(nan, higher), valued(0, higher), false));
    EXPECT_FALSE(is_better(valued(nan, higher), valued(nan, higher), false));
    EXPECT_TRUE(is_better(valued(0, higher), valued(nan, higher), true));
  }
}

}  // namespace
}  // namespace soup
