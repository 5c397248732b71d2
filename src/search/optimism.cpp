#include "search/optimism.h"

#include <algorithm>
#include <numeric>

#include "search/ranking.h"
#include "soup/error.h"

namespace soup {
namespace {

/// The searches without one fold each.
class Folds {
 public:
  explicit Folds(Run& run)
      : run_(run),
        points_(run.panel().primary),
        folds_(run.options().optimism_folds),
        progress_(
            evaluation_progress("optimism", run.primary().all(),
                                folds_ * (static_cast<int64_t>(run.size()) - 1),
                                run.options().progress)) {
    const auto count = static_cast<size_t>(run.panel().primary.examples());
    fold_.resize(count);
    const std::vector<size_t> order = random_order(count, run.options().seed);
    for (size_t i = 0; i < count; ++i) {
      fold_[order[i]] = static_cast<int64_t>(i) % folds_;
    }
  }

  Optimism estimate() {
    Optimism found{.folds = folds_};
    Part apart;
    for (int64_t fold = 0; fold < folds_; ++fold) {
      const Mixture soup = search_without(fold);
      const Part inside = part(soup, fold, true);
      apart.sum += inside.sum;
      apart.weight += inside.weight;
      found.chosen +=
          part(soup, fold, false).mean() / static_cast<double>(folds_);
    }
    found.apart = apart.mean();
    return found;
  }

 private:
  /// Some examples of a mixture.
  struct Part {
    double sum = 0;  ///< of weighted terms
    double weight = 0;
    int64_t points = 0;
    double mean() const { return sum / weight; }
  };

  const std::vector<double>& terms(const Mixture& mixture) {
    if (run_.terms(mixture) == nullptr) {
      run_.score(mixture, run_.primary(), *progress_);
    } else {
      progress_->add(run_.panel().primary.examples());
    }
    return *run_.terms(mixture);
  }

  /// The examples of `fold`, or all others.
  Part part(const Mixture& mixture, int64_t fold, bool inside) {
    const std::vector<double>& all = terms(mixture);
    Part made;
    for (size_t i = 0; i < all.size(); ++i) {
      if ((fold_[i] == fold) != inside) continue;
      const auto example = static_cast<int64_t>(i);
      const double weight = run_.panel().primary.weight(example);
      made.sum += weight * all[i];
      made.weight += weight;
      made.points += points_.of(all[i], example);
    }
    return made;
  }

  Mixture search_without(int64_t fold) {
    std::vector<int64_t> singles;
    for (size_t k = 0; k < run_.size(); ++k) {
      singles.push_back(part({k}, fold, false).points);
    }
    std::vector<size_t> order(run_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return singles[a] > singles[b];
    });
    const SearchOptions& options = run_.options();
    const Criterion criterion{.accept_equal = options.accept_equal,
                              .min_gain = options.min_gain};
    Mixture soup = {order.front()};
    int64_t best = singles[order.front()];
    for (size_t i = 1; i < order.size(); ++i) {
      if (options.max_ingredients > 0 &&
          std::ssize(soup) >= options.max_ingredients) {
        break;
      }
      Mixture candidate = soup;
      candidate.push_back(order[i]);
      const int64_t now = part(candidate, fold, false).points;
      if (now - best < criterion.needed()) continue;
      soup = std::move(candidate);
      best = now;
    }
    return soup;
  }

  Run& run_;
  Points points_;
  int64_t folds_;
  std::unique_ptr<Progress> progress_;
  std::vector<int64_t> fold_;  ///< by example
};

}  // namespace

void check_optimism(const Evaluator& evaluator, const SearchOptions& options) {
  if (evaluator.examples() == 0 || !evaluator.terms()) {
    throw UsageError(
        "--optimism: needs scores of every example, which this metric does not "
        "give");
  }
  if (evaluator.examples() < options.optimism_folds) {
    throw UsageError("--optimism: " + std::to_string(options.optimism_folds) +
                     " folds of only " + std::to_string(evaluator.examples()) +
                     " examples");
  }
  const bool plain = options.order == Order::kScore && options.orders == 1 &&
                     options.alpha >= 1 && options.sweeps <= 1 &&
                     options.guards.empty() && options.scores.empty();
  if (!plain) {
    throw UsageError(
        "--optimism: is of the plain greedy search, without --order, --orders, "
        "--alpha, --sweeps, --guard and --scores");
  }
}

Optimism estimate_optimism(Run& run) { return Folds(run).estimate(); }

}  // namespace soup
