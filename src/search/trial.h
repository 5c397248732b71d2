#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "soup/eval.h"

namespace soup {

/// The soup so far: its score and what it said of every example.
struct Incumbent {
  Score score;
  std::vector<Verdict> verdicts;  ///< by example; empty when not visible
};

/// What a full or cut-short evaluation of a candidate found.
struct Trial {
  std::optional<Score> score;     ///< nullopt when cut short
  std::vector<Verdict> verdicts;  ///< in the order seen
  int64_t gains = 0;              ///< incumbent wrong, candidate right
  int64_t losses = 0;             ///< incumbent right, candidate wrong
};

/// Scores `weights` on every example. `progress` is told of each.
Incumbent score_fully(Evaluator& evaluator, const Checkpoint& weights,
                      Progress& progress);

/// Examples in the order that settles a comparison with the incumbent soonest:
/// what it gets wrong first, then what it gets right by rising margin.
std::vector<int64_t> exit_order(const Incumbent& incumbent);

/// Scores `candidate` and stops as soon as it is certain that it cannot be
/// ahead of the incumbent by `needed` examples: after any set of examples the
/// final difference is at most gains - losses + (examples the incumbent gets
/// wrong that were not seen yet), whatever the order, so the decision is that
/// of a full pass. The metric must count examples.
Trial try_candidate(Evaluator& evaluator, const Checkpoint& candidate,
                    const Incumbent& incumbent, int64_t needed, bool full,
                    Progress& progress);

/// Verdicts of a complete trial, by example.
std::vector<Verdict> by_example(std::vector<Verdict> seen);

}  // namespace soup
