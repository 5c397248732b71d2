#include <algorithm>
#include <optional>

#include "search/searches.h"
#include "search/walk.h"

namespace soup {
namespace {

/// The best step of a round so far.
struct Leader {
  Walk::Step step;
  Trial trial;
};

constexpr int64_t kMost = 100;  // a loss can fall a little for ever

// What a candidate of a round must reach: a gain, and more than the leader.
Criterion to_lead(const Walk& walk, const std::optional<Leader>& leader) {
  Criterion criterion = walk.criterion();
  criterion.accept_equal = false;
  if (leader) criterion.least = leader->trial.ahead + 1;
  return criterion;
}

// Only scores tell where examples do not.
bool leads(const Walk& walk, const Trial& trial,
           const std::optional<Leader>& leader) {
  if (!trial.accepted) return false;
  return !leader || walk.run().panel().primary.terms() ||
         is_better(*trial.score, *leader->trial.score, true);
}

std::optional<Mixture> add(const Mixture& soup, size_t index) {
  Mixture grown = soup;
  grown.push_back(index);
  return grown;
}

/// Ensemble selection with replacement (Caruana et al., "Ensemble selection
/// from libraries of models", 2004) for weights: every round adds the one of
/// all candidates that gains most, be it in the soup or not, as long as one
/// gains. Of equal ones the first in `order`.
void add_best(Walk& walk, const std::vector<size_t>& order,
              std::optional<Incumbent> first) {
  walk.start({order.front()}, std::move(first));
  const int64_t asked = walk.options().max_ingredients;
  const int64_t most = asked > 0 ? asked : kMost;
  for (int64_t round = 1; std::ssize(walk.mixture()) < most; ++round) {
    if (round > 1) walk.expect(std::ssize(order));
    std::vector<size_t> candidates = order;
    // One model twice is that model.
    if (walk.mixture().size() == 1) std::erase(candidates, walk.mixture()[0]);
    std::optional<Leader> leader;
    for (std::span<const size_t> left(candidates); !left.empty();
         left = left.subspan(1)) {
      Walk::Step step = *walk.prepare(left, add, to_lead(walk, leader), round);
      Trial trial = walk.compare(step);
      if (leads(walk, trial, leader)) {
        leader = {std::move(step), std::move(trial)};
      }
    }
    if (!leader) return;
    walk.take(leader->step, std::move(leader->trial));
  }
}

}  // namespace

SearchResult replacement(std::span<const CheckpointPtr> checkpoints,
                         Evaluator* evaluator, const SearchOptions& options) {
  return search("replacement", add_best, checkpoints, *evaluator, options);
}

}  // namespace soup
