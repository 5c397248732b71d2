#include "search/searches.h"

namespace soup {

SearchResult uniform(std::span<const CheckpointPtr> checkpoints,
                     Evaluator* /*evaluator*/, const SearchOptions& options) {
  SearchResult result;
  result.recipe = options.recipe;
  for (const CheckpointPtr& checkpoint : checkpoints) {
    result.recipe.ingredients.push_back({.path = checkpoint->path()});
  }
  return result;
}

}  // namespace soup
