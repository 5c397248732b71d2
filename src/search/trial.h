#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "soup/eval.h"

namespace soup {

/// What a model said of every example.
struct Answers {
  std::vector<double> terms;   ///< by example; empty when not visible
  std::vector<float> margins;  ///< by example
};

/// The soup so far.
struct Incumbent {
  Score score;
  Answers answers;
  std::vector<Incumbent> guards = {};  ///< what it is on the panel's guards
};

/// The held-out data of a search.
struct Panel {
  Evaluator& primary;                       ///< what is to be raised
  std::span<Evaluator* const> guards = {};  ///< what must not drop

  size_t sets() const { return 1 + guards.size(); }
  /// The primary, then the guards.
  Evaluator& set(size_t index) const {
    return index == 0 ? primary : *guards[index - 1];
  }
  std::vector<const Evaluator*> all() const;
  /// Examples that one model is scored on; at least one per evaluator.
  int64_t examples() const;
};

/// When a candidate takes the place of the incumbent.
struct Criterion {
  bool accept_equal = true;
  int64_t min_gain = 0;  ///< examples
  double alpha = 1;      ///< McNemar's p-value must lie below; 1: any will do
  int64_t least = 0;     ///< points it must be ahead, whatever else holds

  bool operator==(const Criterion&) const = default;

  /// Points by which a candidate must be ahead.
  int64_t needed() const;
  /// True for a candidate that is `ahead` points, having won `gains` examples
  /// and lost `losses`. More points or gains, or fewer losses, never make a
  /// false one of a true one: what the early exit rests on.
  bool accepts(int64_t ahead, int64_t gains, int64_t losses) const;
};

/// The terms of a metric as integers of which more is better, so that neither
/// the order of the examples nor threads nor devices can change a decision.
class Points {
 public:
  explicit Points(const Evaluator& evaluator);

  /// What `term` of an example is worth.
  int64_t of(double term, int64_t example) const;
  /// True where a term is right or wrong.
  bool count() const { return evaluator_.counts(); }
  /// True where terms have a bound that is best.
  bool bounded() const { return best_.has_value(); }
  /// What an example that is worth of(term) now could gain at most; bounded()
  /// only.
  int64_t to_gain(double term, int64_t example) const;

 private:
  const Evaluator& evaluator_;
  std::optional<double> best_;  ///< term
};

/// What an evaluation of a candidate found, to its end or cut short.
struct Trial {
  bool accepted = false;
  std::optional<Score> score;  ///< nullopt when cut short
  Answers answers;             ///< of the examples seen
  std::vector<bool> seen;      ///< by example
  int64_t gains = 0;           ///< incumbent wrong, candidate right
  int64_t losses = 0;          ///< incumbent right, candidate wrong
  int64_t ahead = 0;           ///< points, on the examples seen
  double seconds = 0;
  std::vector<Trial> guards = {};  ///< on the guards that were asked, in order

  int64_t count_seen() const;
};

/// Thrown where an evaluation ends because nobody wants it any more.
struct Stopped {};

/// What a candidate is likely to say of an example: to first order, what
/// weights do to a model their mean does to what it says. It only says what is
/// looked at first.
struct Forecast {
  /// Margins by example of the checkpoint that comes or goes; null: nothing is
  /// known.
  std::shared_ptr<const std::vector<float>> single = {};
  /// What it changes in the mean: from the incumbent's to its own.
  double share = 0;

  bool operator==(const Forecast&) const = default;
};

/// Examples in the order that settles a comparison with the incumbent soonest:
/// where the sign of the margin decides those that the candidate is likely to
/// get wrong, by `forecast`. Else, and without it, what can gain most first
/// (for counts: what the incumbent gets wrong), then by rising margin of the
/// incumbent.
std::vector<int64_t> exit_order(const Evaluator& evaluator,
                                const Answers& incumbent,
                                const Forecast& forecast);

/// Scores `candidate` and stops as soon as its rejection is certain (`full`:
/// does not stop). After any set of examples the candidate is at most ahead by
/// what it gained on them and what the incumbent leaves to gain on all others,
/// whatever their order, so the decision is that of a full pass. Guards are
/// asked only where all before them would accept; each has to be as good.
/// `forecast` is of the primary.
/// Throws Stopped soon after `stop` was requested.
Trial try_candidate(const Panel& panel, const Checkpoint& candidate,
                    const Incumbent& incumbent, const Criterion& criterion,
                    const Forecast& forecast, bool full, Progress& progress,
                    const std::stop_token& stop = {});

}  // namespace soup
