#include "recipe/weights.h"

#include <algorithm>
#include <cmath>

#include "soup/error.h"

namespace soup {

void check_weights(const Recipe& recipe, const std::string& where) {
  double sum = 0;
  for (const Ingredient& ingredient : recipe.ingredients) {
    if (!std::isfinite(ingredient.weight)) {
      throw UsageError(where + ": the weight of " + ingredient.path.string() +
                       " is not a finite number");
    }
    sum += ingredient.weight;
  }
  if (sum == 0 || !std::isfinite(sum)) {
    throw UsageError(where + ": the weights sum to " +
                     (sum == 0 ? "zero" : "infinity") +
                     ", so there is no weighted mean");
  }
}

std::vector<double> normal_weights(const Recipe& recipe) {
  check_weights(recipe, "recipe");
  std::vector<double> weights;
  for (const Ingredient& i : recipe.ingredients) weights.push_back(i.weight);
  const bool equal = std::all_of(weights.begin(), weights.end(), [&](double w) {
    return w == weights.front();
  });
  if (equal) std::fill(weights.begin(), weights.end(), 1.0);
  return weights;
}

}  // namespace soup
