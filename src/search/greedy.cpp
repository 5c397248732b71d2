#include "search/optimism.h"
#include "search/searches.h"
#include "search/walk.h"

namespace soup {
namespace {

/// Recipe 1 of arXiv:2203.05482: best first, keep what does not lower the
/// held-out score.
void grow(Walk& walk, const std::vector<size_t>& order,
          std::optional<Incumbent> first) {
  walk.start({order.front()}, std::move(first));
  std::vector<size_t> rest(order.begin() + 1, order.end());
  const int64_t sweeps = std::max<int64_t>(walk.options().sweeps, 1);
  for (int64_t sweep = 0; sweep < sweeps && !rest.empty(); ++sweep) {
    if (sweep > 0) walk.expect(std::ssize(rest));
    std::vector<size_t> rejected = walk.visit_all(rest, walk.growth());
    if (walk.is_full()) return;
    if (rejected.size() == rest.size()) return;  // nothing can change any more
    rest = std::move(rejected);
  }
}

}  // namespace

SearchResult greedy(std::span<const CheckpointPtr> checkpoints,
                    Evaluator* evaluator, const SearchOptions& options) {
  if (options.optimism_folds > 0) check_optimism(*evaluator, options);
  if (options.lazy) return greedy_lazily(checkpoints, *evaluator, options);
  return search("greedy", grow, checkpoints, *evaluator, options);
}

}  // namespace soup
