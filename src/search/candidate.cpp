#include "search/candidate.h"

#include "core/binomial.h"

namespace soup {
namespace {

// Of examples not seen: how many the incumbent got wrong or, of a metric that
// does not count, how many points there are to gain.
std::optional<int64_t> left_to_gain(const Evaluator& evaluator,
                                    const Trial& trial,
                                    const Answers& incumbent) {
  const Points points(evaluator);
  if (!points.bounded()) return std::nullopt;
  int64_t left = 0;
  for (size_t i = 0; i < incumbent.terms.size(); ++i) {
    if (trial.seen[i]) continue;
    const double term = incumbent.terms[i];
    left += !points.count() ? points.to_gain(term, static_cast<int64_t>(i))
            : term == 0     ? 1
                            : 0;
  }
  return left;
}

void describe_examples(const Evaluator& evaluator, const Trial& trial,
                       const Incumbent& incumbent, Candidate& candidate) {
  if (evaluator.examples() == 0) return;
  candidate.remaining = left_to_gain(evaluator, trial, incumbent.answers);
  if (!evaluator.counts()) {
    if (candidate.remaining) candidate.ahead = trial.ahead;
    return;
  }
  candidate.gains = trial.gains;
  candidate.losses = trial.losses;
  if (candidate.seen == candidate.count && !evaluator.weighted()) {
    candidate.p_value = mcnemar_p_value(trial.losses, trial.gains);
  }
}

}  // namespace

void describe(const Panel& panel, const Trial& trial,
              const Incumbent& incumbent, Candidate& candidate) {
  candidate.early = candidate.early && trial.accepted;
  candidate.accepted = trial.accepted && !candidate.early;
  candidate.seen = trial.count_seen();
  candidate.count = incumbent.score.count;
  candidate.seconds = trial.seconds;
  describe_examples(panel.primary, trial, incumbent, candidate);
  for (size_t i = 0; i < trial.guards.size(); ++i) {
    if (trial.guards[i].accepted || !candidate.guard.empty()) continue;
    candidate.guard = panel.guards[i]->dataset();
  }
  if (trial.score) candidate.value = trial.score->value;
  candidate.best =
      candidate.accepted ? trial.score->value : incumbent.score.value;
}

}  // namespace soup
