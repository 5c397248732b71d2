#include <algorithm>
#include <chrono>

#include "search/ranking.h"
#include "search/searches.h"
#include "search/trial.h"
#include "soup/error.h"

namespace soup {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Recipe 1 of arXiv:2203.05482: best first, keep what does not lower the
/// held-out score.
class Greedy {
 public:
  Greedy(Evaluator& evaluator, const SearchOptions& options)
      : evaluator_(evaluator),
        options_(options),
        sum_(options.recipe),
        // Accept when ahead by this many examples.
        needed_(std::max<int64_t>(options.accept_equal ? 0 : 1,
                                  options.min_gain)) {}

  /// `rest`: candidates to be visited after the first.
  void start(const Checkpoint& first, std::optional<Incumbent> known,
             int64_t rest) {
    progress_ = evaluation_progress("searching", {&evaluator_},
                                    rest + (known ? 0 : 1), options_.progress);
    const Clock::time_point begin = Clock::now();
    incumbent_ =
        known ? *std::move(known) : score_fully(evaluator_, first, *progress_);
    accept(first);
    Candidate line = describe(first, begin);
    line.accepted = true;
    line.seen = line.count;
    line.value = incumbent_.score.value;
    report(std::move(line));
  }

  /// Returns true when `next` was accepted.
  bool visit(const Checkpoint& next) {
    const Clock::time_point begin = Clock::now();
    const Checkpoint& candidate = sum_.candidate(next);
    Trial trial = evaluate(candidate);
    const bool accepted = trial.score && wins(*trial.score);
    Candidate line = describe(next, begin);
    line.accepted = accepted;
    line.seen =
        trial.score ? line.count : static_cast<int64_t>(trial.verdicts.size());
    if (!trial.verdicts.empty() && evaluator_.counts()) {
      line.gains = trial.gains;
      line.losses = trial.losses;
    }
    if (trial.score) line.value = trial.score->value;
    if (accepted) {
      incumbent_ = {*trial.score, by_example(std::move(trial.verdicts))};
      accept(next);
    }
    line.best = incumbent_.score.value;
    report(std::move(line));
    return accepted;
  }

  bool full() const {
    return options_.max_ingredients > 0 &&
           std::ssize(accepted_) >= options_.max_ingredients;
  }
  const std::vector<const Checkpoint*>& accepted() const { return accepted_; }
  const Score& score() const { return incumbent_.score; }

 private:
  Trial evaluate(const Checkpoint& candidate) {
    if (evaluator_.examples() > 0 && evaluator_.counts()) {
      return try_candidate(evaluator_, candidate, incumbent_, needed_,
                           options_.full, *progress_);
    }
    Incumbent scored = score_fully(evaluator_, candidate, *progress_);
    return {.score = scored.score, .verdicts = std::move(scored.verdicts)};
  }

  bool wins(const Score& score) const {
    if (score.correct && incumbent_.score.correct) {
      return *score.correct - *incumbent_.score.correct >= needed_;
    }
    return is_better(score, incumbent_.score, !options_.accept_equal);
  }

  void accept(const Checkpoint& ingredient) {
    sum_.add(ingredient);
    accepted_.push_back(&ingredient);
  }

  Candidate describe(const Checkpoint& checkpoint,
                     Clock::time_point begin) const {
    Candidate line;
    line.path = checkpoint.path();
    line.count = incumbent_.score.count;
    line.best = incumbent_.score.value;
    line.seconds = seconds_since(begin);
    return line;
  }

  void report(Candidate line) {
    line.step = step_++;
    if (options_.on_candidate) options_.on_candidate(line);
  }

  Evaluator& evaluator_;
  const SearchOptions& options_;
  RunningSum sum_;
  int64_t needed_;
  int64_t step_ = 0;
  Incumbent incumbent_;
  std::unique_ptr<Progress> progress_;
  std::vector<const Checkpoint*> accepted_;
};

void check(const Evaluator& evaluator, const SearchOptions& options) {
  if (options.min_gain > 0 && !evaluator.counts()) {
    throw UsageError("--min-gain counts examples, which this metric does not");
  }
}

}  // namespace

SearchResult greedy(std::span<const CheckpointPtr> checkpoints,
                    Evaluator* evaluator, const SearchOptions& options) {
  check(*evaluator, options);
  Ranking ranking = rank(checkpoints, *evaluator, options);
  Greedy search(*evaluator, options);
  std::vector<const Checkpoint*> rest(ranking.order.begin() + 1,
                                      ranking.order.end());
  search.start(*ranking.order.front(), std::move(ranking.first),
               std::ssize(rest));
  for (int64_t sweep = 0; sweep < options.sweeps && !rest.empty(); ++sweep) {
    std::vector<const Checkpoint*> rejected;
    for (const Checkpoint* next : rest) {
      if (search.full()) break;
      if (!search.visit(*next)) rejected.push_back(next);
    }
    if (rejected.size() == rest.size()) break;  // nothing can change any more
    rest = std::move(rejected);
  }
  SearchResult result;
  result.recipe = options.recipe;
  for (const Checkpoint* ingredient : search.accepted()) {
    result.recipe.ingredients.push_back({.path = ingredient->path()});
  }
  result.score = search.score();
  if (!ranking.scores.empty()) {
    result.best_single = ranking.scores.front();
    result.best_path = ranking.order.front()->path();
  }
  return result;
}

}  // namespace soup
