#include "search/ranking.h"
#include "search/run.h"
#include "search/searches.h"
#include "soup/error.h"

namespace soup {
namespace {

/// Recipe 1 of arXiv:2203.05482: best first, keep what does not lower the
/// held-out score.
class Greedy {
 public:
  explicit Greedy(Run& run)
      : run_(run),
        options_(run.options()),
        criterion_{.accept_equal = options_.accept_equal,
                   .min_gain = options_.min_gain},
        sum_(options_.recipe) {}

  /// `rest`: candidates to be visited after the first.
  void start(size_t first, std::optional<Incumbent> known, int64_t rest) {
    progress_ = evaluation_progress("searching", {&run_.evaluator()},
                                    rest + (known ? 0 : 1), options_.progress);
    incumbent_ = known ? *std::move(known) : run_.score(first, *progress_);
    accepted_ = {first};
    Candidate line = next_line(first);
    line.accepted = true;
    line.seen = line.count = incumbent_.score.count;
    line.value = line.best = incumbent_.score.value;
    line.seconds = incumbent_.score.seconds;
    if (options_.on_candidate) options_.on_candidate(line);
  }

  /// Returns true when `next` was accepted.
  bool visit(size_t next) {
    Mixture mixture = accepted_;
    mixture.push_back(next);
    Trial trial = run_.compare(
        next_line(next), mixture,
        [&]() -> const Checkpoint& { return form(next); }, incumbent_,
        criterion_, *progress_);
    if (!trial.accepted) return false;
    accepted_ = std::move(mixture);
    incumbent_ = {*trial.score, std::move(trial.answers)};
    return true;
  }

  bool full() const {
    return options_.max_ingredients > 0 &&
           std::ssize(accepted_) >= options_.max_ingredients;
  }
  const Mixture& accepted() const { return accepted_; }
  const Score& score() const { return incumbent_.score; }

 private:
  /// The mean of the accepted and `next`.
  const Checkpoint& form(size_t next) {
    for (; summed_ < accepted_.size(); ++summed_) {
      sum_.add(run_.checkpoint(accepted_[summed_]));
    }
    return sum_.candidate(run_.checkpoint(next));
  }

  Candidate next_line(size_t index) {
    Candidate line;
    line.step = step_++;
    line.path = run_.checkpoint(index).path();
    return line;
  }

  Run& run_;
  const SearchOptions& options_;
  Criterion criterion_;
  RunningSum sum_;
  size_t summed_ = 0;  ///< of the accepted, those that are in the sum
  int64_t step_ = 0;
  Incumbent incumbent_;
  std::unique_ptr<Progress> progress_;
  Mixture accepted_;
};

void check(const Evaluator& evaluator, const SearchOptions& options) {
  if (options.min_gain > 0 && !evaluator.counts()) {
    throw UsageError("--min-gain counts examples, which this metric does not");
  }
}

void visit_all(Greedy& search, std::vector<size_t> rest, int64_t sweeps) {
  for (int64_t sweep = 0; sweep < sweeps && !rest.empty(); ++sweep) {
    std::vector<size_t> rejected;
    for (size_t next : rest) {
      if (search.full()) return;
      if (!search.visit(next)) rejected.push_back(next);
    }
    if (rejected.size() == rest.size()) return;  // nothing can change any more
    rest = std::move(rejected);
  }
}

}  // namespace

SearchResult greedy(std::span<const CheckpointPtr> checkpoints,
                    Evaluator* evaluator, const SearchOptions& options) {
  check(*evaluator, options);
  Run run("greedy", checkpoints, *evaluator, options);
  Ranking ranking = rank(run);
  Greedy search(run);
  const std::vector<size_t> rest(ranking.order.begin() + 1,
                                 ranking.order.end());
  search.start(ranking.order.front(), std::move(ranking.first),
               std::ssize(rest));
  visit_all(search, rest, options.sweeps);
  run.finish(search.accepted(), search.score());
  SearchResult result;
  result.recipe = options.recipe;
  for (size_t ingredient : search.accepted()) {
    result.recipe.ingredients.push_back(
        {.path = run.checkpoint(ingredient).path()});
  }
  result.score = search.score();
  if (!ranking.scores.empty()) {
    result.best_single = ranking.scores.front();
    result.best_path = run.checkpoint(ranking.order.front()).path();
  }
  return result;
}

}  // namespace soup
