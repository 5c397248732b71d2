#include <string>
#include <utility>

#include "core/text.h"
#include "soup/error.h"
#include "soup/recipe.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

bool is_adapter(const Ingredient& ingredient) {
  return !ingredient.path.empty() && adapter_folder(ingredient.path);
}

// What an average of adapters cannot do.
void check_plain(const Recipe& recipe) {
  if (recipe.rule != "linear" || !recipe.settings.empty() ||
      recipe.numerics != Numerics::kDefault) {
    throw UsageError(
        "LoRA adapters are averaged by the rule 'linear' alone, without "
        "settings; merge each into its base for others: soup convert ADAPTER "
        "--base MODEL");
  }
  if (!recipe.include.empty() || !recipe.exclude.empty()) {
    throw UsageError(
        "LoRA adapters are averaged whole, without include and exclude");
  }
  for (const Ingredient& ingredient : recipe.ingredients) {
    if (ingredient.tensor_weights.empty() && ingredient.settings.empty()) {
      continue;
    }
    throw UsageError(printable(ingredient.path.string()) +
                     ": an adapter has one weight");
  }
}

}  // namespace

bool gather_adapters(Recipe& recipe, const fs::path& base) {
  if (recipe.merge != nullptr) return false;
  const Ingredient* adapter = nullptr;
  const Ingredient* model = nullptr;
  for (const Ingredient& ingredient : recipe.ingredients) {
    (is_adapter(ingredient) ? adapter : model) = &ingredient;
  }
  if (adapter == nullptr) return false;
  if (model != nullptr) {
    throw UsageError(
        printable(adapter->path.string()) +
        ": a LoRA adapter among models: the average of its factors with "
        "weights means nothing; merge it into its base first (soup convert "
        "ADAPTER --base MODEL), or average adapters alone");
  }
  check_plain(recipe);
  Ingredient mean = {.path = base};
  for (const Ingredient& ingredient : recipe.ingredients) {
    mean.adapters.push_back(
        {*adapter_folder(ingredient.path), ingredient.weight});
  }
  recipe.ingredients = {std::move(mean)};
  recipe.base.reset();
  return true;
}

}  // namespace soup
