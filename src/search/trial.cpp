#include "search/trial.h"

#include <algorithm>

namespace soup {
namespace {

bool right(const Verdict& verdict) { return verdict.term > 0; }

}  // namespace

std::vector<Verdict> by_example(std::vector<Verdict> seen) {
  std::sort(seen.begin(), seen.end(), [](const Verdict& a, const Verdict& b) {
    return a.example < b.example;
  });
  return seen;
}

Incumbent score_fully(Evaluator& evaluator, const Checkpoint& weights,
                      Progress& progress) {
  Incumbent result;
  EvaluateOptions options{.progress = &progress};
  options.watch = [&](std::span<const Verdict> batch) {
    result.verdicts.insert(result.verdicts.end(), batch.begin(), batch.end());
    return true;
  };
  result.score = evaluator.evaluate(weights, options).value();
  result.verdicts = by_example(std::move(result.verdicts));
  return result;
}

std::vector<int64_t> exit_order(const Incumbent& incumbent) {
  const std::vector<Verdict>& verdicts = incumbent.verdicts;
  std::vector<int64_t> order(verdicts.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const auto rank = [&](int64_t i) {
    const Verdict& v = verdicts[static_cast<size_t>(i)];
    return std::pair(right(v), right(v) ? v.margin : 0.0F);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return rank(a) < rank(b); });
  return order;
}

Trial try_candidate(Evaluator& evaluator, const Checkpoint& candidate,
                    const Incumbent& incumbent, int64_t needed, bool full,
                    Progress& progress) {
  Trial trial;
  const std::vector<int64_t> order = exit_order(incumbent);
  int64_t wrong_left =
      std::count_if(incumbent.verdicts.begin(), incumbent.verdicts.end(),
                    [](const Verdict& v) { return !right(v); });
  EvaluateOptions options{.order = order, .progress = &progress};
  options.watch = [&](std::span<const Verdict> batch) {
    for (const Verdict& now : batch) {
      const bool before =
          right(incumbent.verdicts[static_cast<size_t>(now.example)]);
      wrong_left -= before ? 0 : 1;
      trial.gains += !before && right(now) ? 1 : 0;
      trial.losses += before && !right(now) ? 1 : 0;
    }
    trial.verdicts.insert(trial.verdicts.end(), batch.begin(), batch.end());
    return full || trial.gains - trial.losses + wrong_left >= needed;
  };
  trial.score = evaluator.evaluate(candidate, options);
  // What need not be looked at counts as done.
  progress.add(std::ssize(order) - std::ssize(trial.verdicts));
  return trial;
}

}  // namespace soup
