#include "eval/judge.h"

#include <cmath>
#include <limits>

namespace soup {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// -1 when a logit is not a number.
int32_t best_class(std::span<const float> logits) {
  size_t best = 0;
  for (size_t c = 0; c < logits.size(); ++c) {
    if (std::isnan(logits[c])) return -1;
    if (logits[c] > logits[best]) best = c;
  }
  return static_cast<int32_t>(best);
}

float margin_of(std::span<const float> logits, size_t label) {
  float other = -kInfinity;
  for (size_t c = 0; c < logits.size(); ++c) {
    if (c != label && logits[c] > other) other = logits[c];
  }
  // The difference of two infinities is not a number.
  return logits[label] == other ? 0 : logits[label] - other;
}

}  // namespace

Verdict judge(std::span<const float> logits, int32_t label, int64_t example,
              const Metric& metric) {
  Verdict verdict{.example = example, .label = label};
  verdict.prediction = best_class(logits);
  verdict.margin = verdict.prediction < 0
                       ? -kInfinity
                       : margin_of(logits, static_cast<size_t>(label));
  verdict.term = metric.term(logits, label);
  return verdict;
}

}  // namespace soup
