#include <algorithm>
#include <set>

#include "search/lazy_ranking.h"
#include "search/searches.h"
#include "search/walk.h"
#include "soup/error.h"

namespace soup {
namespace {

void check_lazy(const Evaluator& evaluator, const SearchOptions& options) {
  check_search(evaluator, options);
  const bool counts = evaluator.counts() && evaluator.terms() &&
                      evaluator.examples() > 0 && !evaluator.weighted();
  if (!counts) {
    throw UsageError("--lazy: needs one data set and a metric that counts");
  }
  const bool plain = options.order == Order::kScore && options.orders == 1 &&
                     options.sweeps <= 1 && options.guards.empty() &&
                     options.scores.empty() && options.optimism_folds == 0;
  if (!plain) {
    throw UsageError(
        "--lazy: is of the greedy search by score, without --sweeps, --guard, "
        "--scores and --optimism");
  }
}

/// A greedy search that visits block after block of the ranking. Candidates
/// that all fail against the same soup may come in any order: before the next
/// block is ranked, all that are left are tried, and if none passes it need
/// not be.
class LazyGreedy {
 public:
  LazyGreedy(Run& run, Walk& walk)
      : walk_(walk),
        ranking_(run),
        block_(std::max<size_t>(4, (run.size() + 3) / 4)) {}

  void search() {
    std::vector<size_t> visits = ranking_.take(block_);
    best_ = visits.front();
    walk_.start({best_}, ranking_.single(best_));
    visits.erase(visits.begin());
    order_ = {best_};
    visit(visits);
    while (!walk_.is_full() && some_pass()) visit(ranking_.take(block_));
    const std::vector<size_t>& rest = ranking_.rest();
    order_.insert(order_.end(), rest.begin(), rest.end());
  }

  size_t best() const { return best_; }
  const Score& best_score() const { return ranking_.single(best_).score; }
  /// All checkpoints, as far as they were ranked.
  const std::vector<size_t>& order() const { return order_; }

 private:
  /// Tries candidates of the ranking in their turn.
  void visit(const std::vector<size_t>& visits) {
    order_.insert(order_.end(), visits.begin(), visits.end());
    for (size_t k = 0; k < visits.size(); ++k) {
      if (failed_.contains(visits[k])) continue;
      const auto step = prepare(std::span(visits).subspan(k));
      if (!step) return;
      Trial trial = walk_.compare(*step);
      if (!trial.accepted) continue;
      walk_.take(*step, std::move(trial));
      failed_.clear();
      passed_.reset();
    }
  }

  /// Tries what is left before its turn, until one passes.
  bool some_pass() {
    const std::vector<size_t>& rest = ranking_.rest();
    if (passed_ && std::find(rest.begin(), rest.end(), *passed_) != rest.end())
      return true;
    for (size_t k = 0; k < rest.size(); ++k) {
      if (failed_.contains(rest[k])) continue;
      auto step = prepare(std::span(rest).subspan(k));
      step->early = true;
      if (walk_.compare(*step).accepted) {
        passed_ = rest[k];
        return true;
      }
      failed_.insert(rest[k]);
    }
    return false;
  }

  std::optional<Walk::Step> prepare(std::span<const size_t> visits) {
    std::vector<size_t> open;
    for (const size_t i : visits) {
      if (!failed_.contains(i)) open.push_back(i);
    }
    return walk_.prepare(open, walk_.growth(), walk_.criterion());
  }

  Walk& walk_;
  LazyRanking ranking_;
  size_t block_;
  size_t best_ = 0;
  std::vector<size_t> order_;
  std::set<size_t> failed_;       ///< early, against the soup as it is
  std::optional<size_t> passed_;  ///< early, with the soup as it is
};

}  // namespace

SearchResult greedy_lazily(std::span<const CheckpointPtr> checkpoints,
                           Evaluator& evaluator, const SearchOptions& options) {
  check_lazy(evaluator, options);
  Run run("greedy", checkpoints, evaluator, options);
  Walk walk(run, std::ssize(checkpoints), std::nullopt);
  LazyGreedy lazy(run, walk);
  lazy.search();
  run.finish(walk.mixture(), walk.incumbent().score);
  SearchResult result =
      conclude(run, walk.mixture(), walk.incumbent().score, lazy.order());
  result.best_single = lazy.best_score();
  result.best_path = run.checkpoint(lazy.best()).path();
  return result;
}

}  // namespace soup
