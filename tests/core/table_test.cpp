#include "core/table.h"

#include <gtest/gtest.h>

#include <array>

#include "support/expect_error.h"

namespace soup {
namespace {

struct Row {
  std::string_view name;
};
constexpr std::array kRows = {Row{"linear"}, Row{"slerp"}, Row{"ties"}};

TEST(Table, FindsARow) {
  EXPECT_EQ(&find_row<Row>(kRows, "slerp", "rule"), &kRows[1]);
}

TEST(Table, SuggestsTheNearestName) {
  testing::expect_error<UsageError>(
      [] { find_row<Row>(kRows, "liner", "rule"); },
      "unknown rule 'liner', did you mean 'linear'?");
}

TEST(Table, ListsTheNamesWhenNoneIsNear) {
  testing::expect_error<UsageError>(
      [] { find_row<Row>(kRows, "average", "rule"); },
      "unknown rule 'average'; there is: linear, slerp, ties");
}

TEST(Table, ASwappedPairOfLettersIsNear) {
  constexpr std::array<std::string_view, 2> kNames = {"greedy", "uniform"};
  EXPECT_EQ(nearest_name("gredey", kNames), "greedy");
  EXPECT_EQ(nearest_name("", kNames), "");
}

}  // namespace
}  // namespace soup
