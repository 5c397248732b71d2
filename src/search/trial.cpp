#include "search/trial.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "core/binomial.h"

namespace soup {
namespace {

using Clock = std::chrono::steady_clock;

// Fixed point of metrics that do not count: fine against float32 logits, and
// so coarse that the sum over eight million examples fits 64 bits.
constexpr double kUnit = 1 << 24;
constexpr double kLimit = 1 << 16;

/// How far a comparison with the incumbent has come.
class Comparison {
 public:
  Comparison(const Evaluator& evaluator, const Answers& incumbent,
             const Criterion& criterion)
      : points_(evaluator), incumbent_(incumbent), criterion_(criterion) {
    if (!points_.most()) return;
    for (double term : incumbent.terms) to_gain_ += left_to_gain(term);
  }

  void add(const Verdict& now, Trial& trial) {
    const auto i = static_cast<size_t>(now.example);
    const double before = incumbent_.terms[i];
    trial.ahead += points_.of(now.term) - points_.of(before);
    if (points_.most()) to_gain_ -= left_to_gain(before);
    trial.gains += now.term > before ? 1 : 0;
    trial.losses += now.term < before ? 1 : 0;
    trial.seen[i] = true;
    trial.answers.terms[i] = now.term;
    trial.answers.margins[i] = now.margin;
  }

  /// True when the rejection is certain, whatever the examples to come say:
  /// at best they win all that is left to gain.
  bool is_lost(const Trial& trial) const {
    return points_.most() &&
           !criterion_.accepts(trial.ahead + to_gain_, trial.gains + to_gain_,
                               trial.losses);
  }
  bool is_won(const Trial& trial) const {
    return criterion_.accepts(trial.ahead, trial.gains, trial.losses);
  }

 private:
  int64_t left_to_gain(double term) const {
    return *points_.most() - points_.of(term);
  }

  Points points_;
  const Answers& incumbent_;
  const Criterion& criterion_;
  int64_t to_gain_ = 0;  ///< by the examples not seen yet
};

Incumbent score_one(Evaluator& evaluator, const Checkpoint& weights,
                    Progress& progress) {
  Incumbent result;
  const auto count = static_cast<size_t>(evaluator.examples());
  result.answers.terms.resize(count);
  result.answers.margins.resize(count);
  EvaluateOptions options{.progress = &progress};
  options.watch = [&](std::span<const Verdict> batch) {
    for (const Verdict& verdict : batch) {
      const auto i = static_cast<size_t>(verdict.example);
      result.answers.terms[i] = verdict.term;
      result.answers.margins[i] = verdict.margin;
    }
    return true;
  };
  result.score = evaluator.evaluate(weights, options).value();
  return result;
}

Trial try_one(Evaluator& evaluator, const Checkpoint& candidate,
              const Incumbent& incumbent, const Criterion& criterion, bool full,
              Progress& progress) {
  const Clock::time_point begin = Clock::now();
  Trial trial;
  const size_t count = incumbent.answers.terms.size();
  trial.seen.resize(count);
  trial.answers.terms.resize(count);
  trial.answers.margins.resize(count);
  const std::vector<int64_t> order = exit_order(evaluator, incumbent.answers);
  Comparison comparison(evaluator, incumbent.answers, criterion);
  EvaluateOptions options{.order = order, .progress = &progress};
  options.watch = [&](std::span<const Verdict> batch) {
    for (const Verdict& verdict : batch) comparison.add(verdict, trial);
    return full || !comparison.is_lost(trial);
  };
  trial.score = evaluator.evaluate(candidate, options);
  trial.accepted = trial.score &&
                   (evaluator.terms() ? comparison.is_won(trial)
                                      : is_better(*trial.score, incumbent.score,
                                                  criterion.needed() > 0));
  trial.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  // What need not be looked at counts as done.
  progress.add(std::ssize(order) - trial.count_seen());
  return trial;
}

}  // namespace

std::vector<const Evaluator*> Panel::all() const {
  std::vector<const Evaluator*> evaluators = {&primary};
  evaluators.insert(evaluators.end(), guards.begin(), guards.end());
  return evaluators;
}

int64_t Panel::examples() const {
  int64_t sum = 0;
  for (const Evaluator* evaluator : all()) {
    sum += std::max<int64_t>(evaluator->examples(), 1);
  }
  return sum;
}

int64_t Criterion::needed() const {
  return std::max({accept_equal ? int64_t{0} : int64_t{1}, min_gain, least});
}

bool Criterion::accepts(int64_t ahead, int64_t gains, int64_t losses) const {
  if (ahead < needed()) return false;
  return alpha >= 1 ||
         (gains > losses && mcnemar_p_value(losses, gains) < alpha);
}

Points::Points(const Evaluator& evaluator)
    : counts_(evaluator.counts()), higher_(evaluator.higher_is_better()) {
  const std::optional<TermRange> range = evaluator.terms();
  if (!range) return;
  const double best = higher_ ? range->highest : range->lowest;
  if (std::isfinite(best)) most_ = of(best);
}

int64_t Points::of(double term) const {
  if (counts_) return term > 0 ? 1 : 0;
  // What is no number is the worst that can be.
  if (std::isnan(term)) return static_cast<int64_t>(-kLimit * kUnit);
  const double value = std::clamp(term, -kLimit, kLimit) * kUnit;
  return std::llround(higher_ ? value : -value);
}

int64_t Trial::count_seen() const {
  return std::count(seen.begin(), seen.end(), true);
}

Incumbent score_fully(const Panel& panel, const Checkpoint& weights,
                      Progress& progress) {
  Incumbent result = score_one(panel.primary, weights, progress);
  for (Evaluator* guard : panel.guards) {
    result.guards.push_back(score_one(*guard, weights, progress));
  }
  return result;
}

std::vector<int64_t> exit_order(const Evaluator& evaluator,
                                const Answers& incumbent) {
  const Points points(evaluator);
  std::vector<int64_t> order(incumbent.terms.size());
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](int64_t example) {
    const auto i = static_cast<size_t>(example);
    const int64_t worth = points.of(incumbent.terms[i]);
    const bool nothing_to_gain = points.most() && worth == *points.most();
    return std::pair(worth, nothing_to_gain ? incumbent.margins[i] : 0.0F);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return rank(a) < rank(b); });
  return order;
}

Trial try_candidate(const Panel& panel, const Checkpoint& candidate,
                    const Incumbent& incumbent, const Criterion& criterion,
                    bool full, Progress& progress) {
  Trial trial =
      try_one(panel.primary, candidate, incumbent, criterion, full, progress);
  for (size_t i = 0; i < panel.guards.size(); ++i) {
    Evaluator& guard = *panel.guards[i];
    if (!trial.accepted && !full) {
      progress.add(std::max<int64_t>(guard.examples(), 1));
      continue;
    }
    trial.guards.push_back(
        try_one(guard, candidate, incumbent.guards[i], {}, full, progress));
    trial.accepted = trial.accepted && trial.guards.back().accepted;
    trial.seconds += trial.guards.back().seconds;
  }
  return trial;
}

}  // namespace soup
