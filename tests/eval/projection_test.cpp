#include "eval/projection.h"

#include <gtest/gtest.h>

#include <cmath>

#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

std::vector<float> project(const Projection& projection,
                           const std::vector<float>& row) {
  std::vector<float> logits(static_cast<size_t>(projection.classes()));
  projection.apply(row, logits);
  return logits;
}

TEST(Projection, WithoutClassesIsTheHead) {
  const Projection all({}, 3, "x");
  EXPECT_EQ(project(all, {1, 3, 2}), (std::vector<float>{1, 3, 2}));
}

TEST(Projection, TakesTheLargestOfEachClass) {
  const Projection some({{4}, {0, 2}, {3, 1}}, 5, "x");
  EXPECT_EQ(some.classes(), 3);
  EXPECT_EQ(project(some, {1, 5, -2, 6, 0}), (std::vector<float>{0, 1, 6}));
}

TEST(Projection, KeepsWhatIsNoNumber) {
  const Projection two({{0, 1}, {1, 0}, {2}}, 3, "x");
  const std::vector<float> logits = project(two, {NAN, 5, 1});
  EXPECT_TRUE(std::isnan(logits[0]));
  EXPECT_TRUE(std::isnan(logits[1]));
  EXPECT_EQ(logits[2], 1);
}

TEST(Projection, OutputsBeyondTheHeadAreErrors) {
  testing::expect_error<Error>(
      [] {
        Projection({{0}, {2, 3}}, 3, "set");
      },
      "set: its classes are outputs up to 3 of the "
      "head, but the model has 3");
}

}  // namespace
}  // namespace soup
