#include "core/progress.h"

#include <gtest/gtest.h>

namespace soup {
namespace {

TEST(Progress, TellsRateAndTimeLeft) {
  EXPECT_EQ(
      Progress::text("mixing", 2'000'000'000, 8'000'000'000, Unit::kBytes, 4),
      "mixing  2.0 GB of 8.0 GB  500 MB/s  0:12 left");
  EXPECT_EQ(Progress::text("scoring", 50, 10'000'000, Unit::kExamples, 10),
            "scoring  50 of 10000000 examples  5.0/s  555:33:10 left");
}

TEST(Progress, SaysNothingOfARateItDoesNotKnow) {
  EXPECT_EQ(Progress::text("mixing", 0, 10, Unit::kItems, 3),
            "mixing  0 of 10");
}

}  // namespace
}  // namespace soup
