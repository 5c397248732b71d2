#include "cli/pair.h"

#include <gtest/gtest.h>

#include <vector>

namespace soup {
namespace {

void answer(Pair& pair, size_t which, const std::vector<int64_t>& order,
            const std::vector<double>& terms) {
  std::vector<Verdict> batch;
  for (const int64_t i : order) {
    batch.push_back({.example = i, .term = terms.at(static_cast<size_t>(i))});
  }
  const Watch watch = pair.watch(which);
  const size_t half = batch.size() / 2;
  EXPECT_TRUE(watch(std::span(batch).first(half)));
  EXPECT_TRUE(watch(std::span(batch).subspan(half)));
}

TEST(Pair, CountsWhatOnlyOneGetsRight) {
  Pair pair("a.pt", "b.pt", "held-out", "top1");
  answer(pair, 0, {0, 1, 2, 3, 4, 5, 6, 7}, {1, 1, 0, 0, 0, 0, 0, 0});
  // Examples are paired by number, whatever the order.
  answer(pair, 1, {7, 6, 5, 4, 3, 2, 1, 0}, {1, 0, 1, 1, 1, 1, 1, 0});
  EXPECT_EQ(pair.describe().dump(),
            R"({"kind":"compare","a":"a.pt","b":"b.pt","dataset":"held-out",)"
            R"("metric":"top1","count":8,"only_a":1,"only_b":5,"gain":0.5,)"
            R"("p_value":0.21875})");
}

TEST(Pair, EqualAnswersDoNotDiffer) {
  Pair pair("a", "b", "d", "top5");
  answer(pair, 0, {0, 1}, {1, 0});
  answer(pair, 1, {0, 1}, {1, 0});
  const auto json = pair.describe();
  EXPECT_EQ(json["only_a"], 0);
  EXPECT_EQ(json["gain"], 0.0);
  EXPECT_EQ(json["p_value"], 1.0);
}

}  // namespace
}  // namespace soup
