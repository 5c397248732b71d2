#include <cmath>

#include "search/ranking.h"
#include "search/run.h"
#include "search/searches.h"
#include "soup/error.h"

namespace soup {
namespace {

// What is no number would make none of the weights one.
double loss_of(const Score& score, const Checkpoint& checkpoint) {
  if (!std::isfinite(score.value)) {
    throw Error(checkpoint.path().string() +
                ": its score is no finite number, so that it has no weight; "
                "leave it out with --ignore");
  }
  return score.higher_is_better ? -score.value : score.value;
}

}  // namespace

/// LM-Cocktail (arXiv:2311.13534, section 3): weights softmax(-loss / T) of the
/// losses on held-out data.
SearchResult softmax(std::span<const CheckpointPtr> checkpoints,
                     Evaluator* evaluator, const SearchOptions& options) {
  Run run("softmax", checkpoints, *evaluator, options);
  const Ranking ranking = rank(run);
  SearchResult result;
  result.best_single = ranking.scores.front();
  result.best_path = run.checkpoint(ranking.order.front()).path();
  std::vector<double> losses(run.size());
  for (size_t k = 0; k < run.size(); ++k) {
    const size_t i = ranking.order[k];
    losses[i] = loss_of(ranking.scores[k], run.checkpoint(i));
  }
  const double least = losses[ranking.order.front()];
  std::vector<double> weights(run.size());
  double sum = 0;
  for (size_t i = 0; i < run.size(); ++i) {
    weights[i] = std::exp((least - losses[i]) / options.temperature);
    sum += weights[i];
  }
  result.recipe = options.recipe;
  for (size_t i = 0; i < run.size(); ++i) {
    if (weights[i] == 0) continue;  // too small for a number
    result.recipe.ingredients.push_back(
        {.path = run.checkpoint(i).path(), .weight = weights[i] / sum});
  }
  return result;
}

}  // namespace soup
