#include "eval/summaries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "eval/judge.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<Verdict> verdicts(const std::vector<int32_t>& labels,
                              const std::vector<int32_t>& predictions,
                              double term = 1) {
  std::vector<Verdict> out;
  for (size_t i = 0; i < labels.size(); ++i) {
    out.push_back({.example = static_cast<int64_t>(i),
                   .label = labels[i],
                   .prediction = predictions[i],
                   .term = term});
  }
  return out;
}

/// Values of scripts/make_score_references.py.
class Reference : public ::testing::Test {
 protected:
  std::vector<Verdict> judged(const Metric& metric) const {
    const auto logits = json_["logits"].get<std::vector<float>>();
    const auto labels = json_["labels"].get<std::vector<int32_t>>();
    const auto classes = json_["classes"].get<size_t>();
    std::vector<Verdict> out;
    for (size_t i = 0; i < labels.size(); ++i) {
      out.push_back(judge(std::span(logits).subspan(i * classes, classes),
                          labels[i], static_cast<int64_t>(i), metric));
    }
    return out;
  }

  const nlohmann::ordered_json json_ = parse_json(
      read_text(std::string(SOUP_TEST_DATA) + "/scores.json", 1 << 20),
      "scores.json");
};

TEST_F(Reference, EveryMetricIsScikitLearns) {
  std::set<std::string_view> compared;
  for (const auto& [name, expected] : json_["scores"].items()) {
    const Metric metric = find_metric(name);
    const Score score = score_of(judged(metric), metric);
    EXPECT_EQ(score.metric, name);
    EXPECT_NEAR(score.value, expected["value"].get<double>(), 1e-12) << name;
    EXPECT_EQ(score.standard_error.has_value(),
              !expected["standard_error"].is_null())
        << name;
    if (score.standard_error) {
      EXPECT_NEAR(*score.standard_error,
                  expected["standard_error"].get<double>(), 1e-12)
          << name;
    }
    compared.insert(metric.name);
  }
  EXPECT_EQ(compared.size(), metrics().size());
}

TEST_F(Reference, ScoresDoNotDependOnTheOrderOfLooking) {
  for (const Metric& metric : metrics()) {
    std::vector<Verdict> looked_at = judged(metric);
    const Score expected = score_of(looked_at, metric);
    std::reverse(looked_at.begin(), looked_at.end());
    const Score score = score_of(looked_at, metric);
    EXPECT_EQ(score.value, expected.value) << metric.name;
    EXPECT_EQ(score.standard_error, expected.standard_error) << metric.name;
  }
}

TEST(Summaries, RareClassesWeighAsMuch) {
  EXPECT_DOUBLE_EQ(class_accuracy(verdicts({0, 0, 0, 3}, {0, 0, 0, 0})), 0.5);
  // F1 of class 0: 2 * 3 / (3 + 4); of class 3: 0.
  EXPECT_DOUBLE_EQ(macro_f1(verdicts({0, 0, 0, 3}, {0, 0, 0, 0})), 3.0 / 7);
}

TEST(Summaries, F1IsOfClass1) {
  // Two of three found, one of three wrong.
  const auto said = verdicts({1, 1, 1, 0, 2}, {1, 1, 0, 1, 2});
  EXPECT_DOUBLE_EQ(f1_of_class_1(said), 2.0 / 3);
  EXPECT_DOUBLE_EQ(accuracy_and_f1(said), (3.0 / 5 + 2.0 / 3) / 2);
  EXPECT_EQ(f1_of_class_1(verdicts({0, 0}, {0, 0})), 0);
}

TEST(Summaries, CorrelationHasItsEnds) {
  EXPECT_DOUBLE_EQ(matthews_correlation(verdicts({0, 1, 1}, {0, 1, 1})), 1);
  EXPECT_DOUBLE_EQ(matthews_correlation(verdicts({0, 1, 1}, {1, 0, 0})), -1);
  EXPECT_EQ(matthews_correlation(verdicts({0, 1, 1}, {1, 1, 1})), 0);
  EXPECT_EQ(matthews_correlation(verdicts({1, 1, 1}, {0, 1, 1})), 0);
}

TEST(Summaries, NoPredictionIsWrong) {
  EXPECT_DOUBLE_EQ(class_accuracy(verdicts({0, 1}, {-1, 1})), 0.5);
  EXPECT_DOUBLE_EQ(macro_f1(verdicts({0, 1}, {-1, 1})), 0.5);
  EXPECT_LT(matthews_correlation(verdicts({0, 1, 1}, {-1, 1, 1})), 1);
}

TEST(Summaries, CalibrationOfFewExamplesIsTheirOwn) {
  EXPECT_DOUBLE_EQ(calibration_error(verdicts({0, 1}, {0, 0}, 0.75), 15), 0.5);
}

TEST(FindMetric, BinsAreThoseOfCalibration) {
  EXPECT_EQ(find_metric("ece:15").text(), "ece");
  for (const char* wrong : {"ece:", "ece:0", "ece:-1", "ece:2x", "ece: 3"}) {
    expect_error<UsageError>([&] { find_metric(wrong); },
                             "is no number of bins; write it like ece:20");
  }
  expect_error<UsageError>([] { find_metric("top1:20"); }, "top1 has no bins");
  expect_error<UsageError>([] { find_metric("ecs:20"); },
                           "unknown metric 'ecs', did you mean 'ece'?");
}

TEST(Summaries, CalibrationNeedsNumbers) {
  EXPECT_TRUE(
      std::isnan(calibration_error(verdicts({0, 1}, {0, -1}, kNan), 15)));
}

TEST(ScoreOf, OneExampleHasNoSpread) {
  const Metric& top1 = metrics().front();
  const Score score = score_of(verdicts({1}, {1}), top1);
  EXPECT_EQ(score.correct, 1);
  EXPECT_FALSE(score.standard_error);
}

}  // namespace
}  // namespace soup
