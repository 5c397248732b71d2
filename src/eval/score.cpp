#include <algorithm>
#include <chrono>
#include <cmath>

#include "soup/eval.h"

namespace soup {

bool is_better(const Score& a, const Score& b, bool strict) {
  const bool counts = a.correct && b.correct && a.count == b.count;
  if (!counts) {
    const double x = a.higher_is_better ? a.value : -a.value;
    const double y = a.higher_is_better ? b.value : -b.value;
    if (std::isnan(x) || std::isnan(y)) return !std::isnan(x);
    return strict ? x > y : x >= y;
  }
  const int64_t x = a.higher_is_better ? *a.correct : -*a.correct;
  const int64_t y = a.higher_is_better ? *b.correct : -*b.correct;
  return strict ? x > y : x >= y;
}

std::optional<Score> Evaluator::evaluate(const Checkpoint& weights,
                                         const EvaluateOptions& options) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  std::vector<Verdict> verdicts;
  EvaluateOptions looking = options;
  looking.watch = [&](std::span<const Verdict> batch) {
    verdicts.insert(verdicts.end(), batch.begin(), batch.end());
    return !options.watch || options.watch(batch);
  };
  if (!look(weights, looking)) return std::nullopt;
  Score score = summarize(weights.path(), std::move(verdicts));
  score.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return score;
}

std::unique_ptr<Progress> evaluation_progress(
    const std::string& title, const std::vector<const Evaluator*>& evaluators,
    int64_t evaluations, bool enabled) {
  int64_t work = 0;
  bool visible = true;
  for (const Evaluator* evaluator : evaluators) {
    work += std::max<int64_t>(evaluator->examples(), 1);
    visible = visible && evaluator->examples() > 0;
  }
  return std::make_unique<Progress>(title, work * evaluations,
                                    visible ? Unit::kExamples : Unit::kItems,
                                    enabled);
}

}  // namespace soup
