#include <algorithm>
#include <array>
#include <cmath>

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

double nll(std::span<const float> logits, int32_t label) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(logit - most);
  return most + std::log(sum) - logits[static_cast<size_t>(label)];
}

constexpr std::array kMetrics = {
    Metric{"top1", "share of examples whose best class is the true one", true,
           true, top1},
    Metric{"top5", "share of examples with the true class among the best five",
           true, true, top5},
    Metric{"nll", "mean negative log-likelihood, in nats", false, false, nll},
};

}  // namespace

std::span<const Metric> metrics() { return kMetrics; }

}  // namespace soup
