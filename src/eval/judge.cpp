#include "eval/judge.h"

#include <algorithm>
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

double mean_of(std::span<const Verdict> verdicts) {
  double sum = 0;
  for (const Verdict& verdict : verdicts) sum += verdict.term;
  return sum / static_cast<double>(verdicts.size());
}

std::optional<double> standard_error(std::span<const Verdict> verdicts,
                                     double mean) {
  if (verdicts.size() < 2) return std::nullopt;
  double squares = 0;
  for (const Verdict& verdict : verdicts) {
    squares += (verdict.term - mean) * (verdict.term - mean);
  }
  const auto count = static_cast<double>(verdicts.size());
  return std::sqrt(squares / (count - 1) / count);
}

}  // namespace

int32_t closest_label(std::span<const float> logits, int32_t first,
                      std::span<const int32_t> also) {
  int32_t closest = first;
  for (const int32_t label : also) {
    const float logit = logits[static_cast<size_t>(label)];
    const float best = logits[static_cast<size_t>(closest)];
    if (logit > best || (logit == best && label < closest)) closest = label;
  }
  return closest;
}

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

std::optional<TermRange> term_range(const Metric& metric) {
  if (metric.whole != nullptr) return std::nullopt;
  return metric.counts ? TermRange{.highest = 1} : TermRange{};
}

Score score_of(std::vector<Verdict> verdicts, const Metric& metric) {
  std::stable_sort(
      verdicts.begin(), verdicts.end(),
      [](const Verdict& a, const Verdict& b) { return a.example < b.example; });
  Score score{.metric = metric.text(),
              .count = std::ssize(verdicts),
              .higher_is_better = metric.higher_is_better};
  if (metric.whole != nullptr) {
    score.value = metric.whole(verdicts, metric.bins);
    return score;
  }
  score.value = mean_of(verdicts);
  score.standard_error = standard_error(verdicts, score.value);
  if (metric.counts) {
    score.correct = std::count_if(verdicts.begin(), verdicts.end(),
                                  [](const Verdict& v) { return v.term > 0; });
  }
  return score;
}

}  // namespace soup
