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

// Scores `weights`; Stopped where a request ended that.
std::optional<Score> evaluate(Evaluator& evaluator, const Checkpoint& weights,
                              EvaluateOptions options,
                              const std::stop_token& stop) {
  options.stop = stop;
  options.watch = [&stop, watch = std::move(options.watch)](
                      std::span<const Verdict> batch) {
    return watch(batch) && !stop.stop_requested();
  };
  std::optional<Score> score = evaluator.evaluate(weights, options);
  if (stop.stop_requested()) throw Stopped();
  return score;
}

/// How far a comparison with the incumbent has come.
class Comparison {
 public:
  Comparison(const Evaluator& evaluator, const Answers& incumbent,
             const Criterion& criterion)
      : points_(evaluator), incumbent_(incumbent), criterion_(criterion) {
    if (!points_.bounded()) return;
    for (size_t i = 0; i < incumbent.terms.size(); ++i) {
      to_gain_ += points_.to_gain(incumbent.terms[i], static_cast<int64_t>(i));
    }
  }

  void add(const Verdict& now, Trial& trial) {
    const auto i = static_cast<size_t>(now.example);
    const double before = incumbent_.terms[i];
    trial.ahead +=
        points_.of(now.term, now.example) - points_.of(before, now.example);
    if (points_.bounded()) to_gain_ -= points_.to_gain(before, now.example);
    trial.gains += now.term > before ? 1 : 0;
    trial.losses += now.term < before ? 1 : 0;
    trial.seen[i] = true;
    trial.answers.terms[i] = now.term;
    trial.answers.margins[i] = now.margin;
  }

  /// True when the rejection is certain, whatever the examples to come say:
  /// at best they win all that is left to gain.
  bool is_lost(const Trial& trial) const {
    return points_.bounded() &&
           !criterion_.accepts(trial.ahead + to_gain_, trial.gains + to_gain_,
                               trial.losses);
  }
  bool is_won(const Trial& trial) const {
    return criterion_.accepts(trial.ahead, trial.gains, trial.losses);
  }

 private:
  Points points_;
  const Answers& incumbent_;
  const Criterion& criterion_;
  int64_t to_gain_ = 0;  ///< by the examples not seen yet
};

Trial try_one(Evaluator& evaluator, const Checkpoint& candidate,
              const Incumbent& incumbent, const Criterion& criterion,
              const Forecast& forecast, bool full, Progress& progress,
              const std::stop_token& stop) {
  const Clock::time_point begin = Clock::now();
  Trial trial;
  const size_t count = incumbent.answers.terms.size();
  trial.seen.resize(count);
  trial.answers.terms.resize(count);
  trial.answers.margins.resize(count);
  const std::vector<int64_t> order =
      exit_order(evaluator, incumbent.answers, forecast);
  Comparison comparison(evaluator, incumbent.answers, criterion);
  EvaluateOptions options{.order = order, .progress = &progress};
  options.watch = [&](std::span<const Verdict> batch) {
    for (const Verdict& verdict : batch) comparison.add(verdict, trial);
    return full || !comparison.is_lost(trial);
  };
  trial.score = evaluate(evaluator, candidate, std::move(options), stop);
  trial.accepted = trial.score &&
                   (evaluator.terms() ? comparison.is_won(trial)
                                      : is_better(*trial.score, incumbent.score,
                                                  criterion.needed() > 0));
  trial.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  // What need not be looked at counts as done.
  progress.add(std::ssize(order) - trial.count_seen());
  return trial;
}

using Rank = std::pair<int64_t, float>;

// By what the incumbent says alone.
Rank rank(const Points& points, const Answers& incumbent, int64_t example) {
  const auto i = static_cast<size_t>(example);
  const double term = incumbent.terms[i];
  if (!points.bounded()) return {points.of(term, example), 0.0F};
  const int64_t to_gain = points.to_gain(term, example);
  return {-to_gain, to_gain == 0 ? incumbent.margins[i] : 0.0F};
}

// True where an example is right by its margin: not for the best five. Of those
// and of losses the incumbent alone tells more, on real models.
bool follows_margins(const Answers& answers) {
  for (size_t i = 0; i < answers.terms.size(); ++i) {
    const float margin = answers.margins[i];
    if (answers.terms[i] > 0 ? margin < 0 : margin > 0) return false;
  }
  return true;
}

// By what the candidate is likely to say.
Rank likely_rank(const Points& points, const Answers& incumbent,
                 const Forecast& forecast, int64_t example) {
  const auto i = static_cast<size_t>(example);
  const double before = incumbent.margins[i];
  const double likely =
      before + forecast.share * ((*forecast.single)[i] - before);
  const double value = std::isnan(likely) ? before : likely;
  return {-points.to_gain(value > 0 ? 1 : 0, example),
          static_cast<float>(value)};
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

Points::Points(const Evaluator& evaluator) : evaluator_(evaluator) {
  const std::optional<TermRange> range = evaluator.terms();
  if (!range) return;
  const double best =
      evaluator.higher_is_better() ? range->highest : range->lowest;
  if (std::isfinite(best)) best_ = best;
}

int64_t Points::of(double term, int64_t example) const {
  const double weight = evaluator_.weight(example);
  if (evaluator_.counts()) return term > 0 ? std::llround(weight) : 0;
  const double unit = kUnit * weight;
  // What is no number is the worst that can be.
  if (std::isnan(term)) return std::llround(-kLimit * unit);
  const double value = std::clamp(term, -kLimit, kLimit) * unit;
  return std::llround(evaluator_.higher_is_better() ? value : -value);
}

int64_t Points::to_gain(double term, int64_t example) const {
  return of(*best_, example) - of(term, example);
}

int64_t Trial::count_seen() const {
  return std::count(seen.begin(), seen.end(), true);
}

std::vector<int64_t> exit_order(const Evaluator& evaluator,
                                const Answers& incumbent,
                                const Forecast& forecast) {
  const Points points(evaluator);
  const bool known = points.count() && forecast.single != nullptr &&
                     follows_margins(incumbent);
  std::vector<Rank> ranks;
  for (size_t i = 0; i < incumbent.terms.size(); ++i) {
    const auto example = static_cast<int64_t>(i);
    ranks.push_back(known ? likely_rank(points, incumbent, forecast, example)
                          : rank(points, incumbent, example));
  }
  std::vector<int64_t> order(ranks.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return ranks[static_cast<size_t>(a)] < ranks[static_cast<size_t>(b)];
  });
  return order;
}

Trial try_candidate(const Panel& panel, const Checkpoint& candidate,
                    const Incumbent& incumbent, const Criterion& criterion,
                    const Forecast& forecast, bool full, Progress& progress,
                    const std::stop_token& stop) {
  Trial trial = try_one(panel.primary, candidate, incumbent, criterion,
                        forecast, full, progress, stop);
  for (size_t i = 0; i < panel.guards.size(); ++i) {
    Evaluator& guard = *panel.guards[i];
    if (!trial.accepted && !full) {
      progress.add(std::max<int64_t>(guard.examples(), 1));
      continue;
    }
    trial.guards.push_back(try_one(guard, candidate, incumbent.guards[i], {},
                                   {}, full, progress, stop));
    trial.accepted = trial.accepted && trial.guards.back().accepted;
    trial.seconds += trial.guards.back().seconds;
  }
  return trial;
}

}  // namespace soup
