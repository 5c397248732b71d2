#include "recipe/weights.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

bool is_mean(const Recipe& recipe) {
  const auto normalize = recipe.settings.find("normalize");
  return recipe.rule == "linear" &&
         (normalize == recipe.settings.end() || normalize->second != 0);
}

void check_sum(const Recipe& recipe, const std::vector<double>& weights,
               const std::string& where) {
  double sum = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    if (!std::isfinite(weights[k])) {
      throw UsageError(where + ": the weight of " +
                       recipe.ingredients[k].path.string() +
                       " is not a finite number");
    }
    sum += weights[k];
  }
  if (is_mean(recipe) && (sum == 0 || !std::isfinite(sum))) {
    throw UsageError(where + ": the weights sum to " +
                     (sum == 0 ? "zero" : "infinity") +
                     ", so there is no weighted mean");
  }
}

}  // namespace

void check_weights(const Recipe& recipe, const std::string& where) {
  std::vector<double> weights;
  for (const Ingredient& i : recipe.ingredients) weights.push_back(i.weight);
  check_sum(recipe, weights, where);
}

std::vector<double> weights_of(const Recipe& recipe, const std::string& name) {
  std::vector<double> weights;
  for (const Ingredient& ingredient : recipe.ingredients) {
    const auto own = ingredient.tensor_weights.find(name);
    weights.push_back(own == ingredient.tensor_weights.end() ? ingredient.weight
                                                             : own->second);
  }
  check_sum(recipe, weights, "recipe: '" + printable(name) + "'");
  const bool equal = std::all_of(weights.begin(), weights.end(), [&](double w) {
    return w == weights.front();
  });
  if (equal && is_mean(recipe) && recipe.numerics == Numerics::kDefault) {
    std::fill(weights.begin(), weights.end(), 1.0);
  }
  return weights;
}

}  // namespace soup
