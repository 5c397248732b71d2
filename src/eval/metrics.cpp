#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/table.h"
#include "eval/summaries.h"
#include "soup/error.h"
#include "soup/eval.h"

namespace soup {
namespace {

// Classes that come before `label`: larger logits, and equal ones of lower
// number. A logit that is not a number comes before all, as in torch.
int64_t rank_of(std::span<const float> logits, int32_t label) {
  const float own = logits[static_cast<size_t>(label)];
  if (std::isnan(own)) return std::ssize(logits);
  int64_t rank = 0;
  for (int64_t c = 0; c < std::ssize(logits); ++c) {
    const float other = logits[static_cast<size_t>(c)];
    if (!(other < own) && (other != own || c < label)) ++rank;
  }
  return rank;
}

double top1(std::span<const float> logits, int32_t label) {
  return rank_of(logits, label) < 1 ? 1.0 : 0.0;
}

double top5(std::span<const float> logits, int32_t label) {
  return rank_of(logits, label) < 5 ? 1.0 : 0.0;
}

// Logarithm of the softmax's denominator.
double log_sum_exp(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(logit - most);
  return most + std::log(sum);
}

double nll(std::span<const float> logits, int32_t label) {
  return log_sum_exp(logits) - logits[static_cast<size_t>(label)];
}

// Largest probability of the softmax, whatever the label.
double confidence(std::span<const float> logits, int32_t /*label*/) {
  return std::exp(*std::max_element(logits.begin(), logits.end()) -
                  log_sum_exp(logits));
}

// Brier, Verification of forecasts expressed in terms of probability, 1950:
// over all classes, so from 0 to 2.
double brier(std::span<const float> logits, int32_t label) {
  const double all = log_sum_exp(logits);
  double sum = 0;
  for (int32_t c = 0; c < std::ssize(logits); ++c) {
    const double error = std::exp(logits[static_cast<size_t>(c)] - all) -
                         (c == label ? 1.0 : 0.0);
    sum += error * error;
  }
  return sum;
}

// The square loss of arXiv:2006.07322, section 2, without its rescaling.
double mse(std::span<const float> logits, int32_t label) {
  double sum = 0;
  for (int32_t c = 0; c < std::ssize(logits); ++c) {
    const double error =
        logits[static_cast<size_t>(c)] - (c == label ? 1.0 : 0.0);
    sum += error * error;
  }
  return sum / static_cast<double>(logits.size());
}

constexpr std::array kMetrics = {
    Metric{"top1", "share of examples whose best class is the true one", true,
           true, top1},
    Metric{"top5", "share of examples with the true class among the best five",
           true, true, top5},
    Metric{"class_accuracy", "mean over the true classes of their top-1 share",
           false, true, top1, class_accuracy},
    Metric{"macro_f1", "mean over the classes of F1", false, true, top1,
           macro_f1},
    Metric{"f1", "F1 of class 1, as GLUE scores MRPC and QQP", false, true,
           top1, f1_of_class_1},
    Metric{"accuracy_f1", "mean of top1 and f1, what GLUE's average takes",
           false, true, top1, accuracy_and_f1},
    Metric{"mcc", "Matthews correlation of true and best classes", false, true,
           top1, matthews_correlation},
    Metric{"nll", "mean negative log-likelihood, in nats", false, false, nll},
    Metric{"brier", "Brier score: squared error of the probabilities, 0 to 2",
           false, false, brier},
    Metric{"ece",
           "expected calibration error, 15 bins of equal mass; "
           "ece:20: of 20",
           false, false, confidence, calibration_error, 15},
    Metric{"mse", "mean squared error of the logits against 0 and 1", false,
           false, mse},
};

}  // namespace

std::span<const Metric> metrics() { return kMetrics; }

Metric find_metric(const std::string& text) {
  const size_t colon = text.find(':');
  Metric metric = find_row(metrics(), text.substr(0, colon), "metric");
  if (colon == std::string::npos) return metric;
  if (metric.bins == 0) {
    throw UsageError("--metric " + text + ": " + std::string(metric.name) +
                     " has no bins");
  }
  const char* const end = text.data() + text.size();
  const auto [rest, error] =
      std::from_chars(text.data() + colon + 1, end, metric.bins);
  if (error != std::errc() || rest != end || metric.bins < 1) {
    throw UsageError("--metric " + text + ": '" + text.substr(colon + 1) +
                     "' is no number of bins; write it like ece:20");
  }
  return metric;
}

std::string Metric::text() const {
  const bool usual = bins == find_row(metrics(), std::string(name), "").bins;
  return std::string(name) + (usual ? "" : ":" + std::to_string(bins));
}

}  // namespace soup
