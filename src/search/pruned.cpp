#include <algorithm>
#include <numeric>

#include "search/searches.h"
#include "search/walk.h"
#include "soup/error.h"

namespace soup {
namespace {

/// The greedy search backwards (Caruana et al., "Ensemble selection from
/// libraries of models", 2004): from all, the worst first, leave out what the
/// held-out score does not miss.
void prune(Walk& walk, const std::vector<size_t>& order,
           std::optional<Incumbent> /*first*/) {
  Mixture all(order.size());
  std::iota(all.begin(), all.end(), size_t{0});
  walk.start(std::move(all), std::nullopt);
  std::vector<size_t> visits = order;
  if (walk.options().order == Order::kScore) {
    std::reverse(visits.begin(), visits.end());
  }
  const int64_t sweeps = walk.options().sweeps;
  for (int64_t sweep = 0; sweeps == 0 || sweep < sweeps; ++sweep) {
    if (sweep > 0) walk.expect(std::ssize(visits));
    std::vector<size_t> kept =
        walk.visit_all(visits, [](const Mixture& soup, size_t next) {
          std::optional<Mixture> rest;
          if (soup.size() == 1) return rest;
          rest = soup;
          std::erase(*rest, next);
          return rest;
        });
    if (walk.mixture().size() == 1) return;
    if (kept.size() == visits.size()) return;  // nothing can change any more
    visits = std::move(kept);
  }
}

}  // namespace

SearchResult pruned(std::span<const CheckpointPtr> checkpoints,
                    Evaluator* evaluator, const SearchOptions& options) {
  if (options.max_ingredients > 0) {
    throw UsageError(
        "--max-ingredients: a search that starts from all has no limit");
  }
  return search("pruned", prune, checkpoints, *evaluator, options);
}

}  // namespace soup
