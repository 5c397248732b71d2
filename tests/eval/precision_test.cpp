#include "eval/precision.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "core/table.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

const Metric& metric(std::string_view name) {
  return find_row(metrics(), name, "metric");
}

TEST(Precision, BandIsFourTimesTheLargestError) {
  const std::vector<float> exact = {1, 2, 3};
  EXPECT_FLOAT_EQ(error_band(std::vector<float>{1, 2.5, 2.75}, exact), 2);
  EXPECT_EQ(error_band(exact, exact), 0);
  EXPECT_TRUE(std::isinf(error_band(
      std::vector<float>{1, 2, std::numeric_limits<float>::quiet_NaN()},
      exact)));
}

TEST(Precision, CloseIsWhatMightBeAnotherClass) {
  const Metric& top1 = metric("top1");
  const std::vector<float> logits = {5, 4, 1};
  EXPECT_FALSE(is_close(logits, 0, 0.9F, top1));
  EXPECT_TRUE(is_close(logits, 0, 1, top1));
  // Wrong in any case, but as which class?
  EXPECT_TRUE(is_close(logits, 2, 1, top1));
  EXPECT_FALSE(is_close(logits, 2, 0.9F, top1));
  EXPECT_TRUE(is_close(std::vector<float>{5, std::nanf(""), 1}, 0, 0, top1));
  EXPECT_TRUE(is_close(std::vector<float>{5, 5, 1}, 2, 0, top1));
}

TEST(Precision, CloseIsWhatMightLeaveTheBestFive) {
  const std::vector<float> logits = {90, 8, 7, 6, 5, 4, 3};
  EXPECT_TRUE(is_close(logits, 4, 1.5F, metric("top5")));
  EXPECT_TRUE(is_close(logits, 5, 1.5F, metric("top5")));
  EXPECT_FALSE(is_close(logits, 6, 1.5F, metric("top5")));
  EXPECT_FALSE(is_close(logits, 3, 0.5F, metric("top5")));
  EXPECT_FALSE(is_close(logits, 5, 1.5F, metric("top1")));
}

TEST(Precision, RefusesWhatMakesNoSense) {
  const auto read = [](EvaluatorOptions options) {
    return read_precision(options, at::kCPU);
  };
  EXPECT_FALSE(read({}).fast());
  EXPECT_TRUE(read({.precision = "bf16"}).recheck);
  EXPECT_FALSE(read({.precision = "bf16-only"}).recheck);
  expect_error<UsageError>([&] { read({.precision = "bf61"}); },
                           "there is: fp32, bf16, fp16");
  expect_error<UsageError>([&] { read({.precision = "tf32"}); }, "NVIDIA GPUs");
  expect_error<UsageError>(
      [&] { read({.metric = "nll", .precision = "bf16"}); },
      "bf16-only scores without");
  EvaluatorOptions kept = {.precision = "fp16"};
  kept.logits = true;
  expect_error<UsageError>([&] { read(kept); }, "of one precision");
}

}  // namespace
}  // namespace soup
