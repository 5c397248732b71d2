#include <nlohmann/json.hpp>

#include "core/json.h"
#include "recipe/merge_read.h"
#include "recipe/paths.h"
#include "recipe/recipe_names.h"
#include "recipe/weights.h"
#include "soup/recipe.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

using nlohmann::ordered_json;

ordered_json numbers_json(const std::map<std::string, double>& numbers) {
  // Key by key an ordered object would look for every key in all before.
  ordered_json::object_t object;
  for (const auto& [name, value] : numbers) {
    object.emplace_back(name, plain_number(value));
  }
  return object;
}

ordered_json ingredient_json(const Recipe& recipe, size_t index,
                             const fs::path& folder) {
  const Ingredient& ingredient = recipe.ingredients[index];
  ordered_json entry;
  if (ingredient.made != nullptr) {
    entry["recipe"] = recipe_json(*ingredient.made, folder);
  } else if (!ingredient.path.empty()) {
    entry["path"] = to_recipe(ingredient.path, folder);
  }
  for (const AdapterShare& adapter : ingredient.adapters) {
    entry["adapters"].push_back({{"path", to_recipe(adapter.path, folder)},
                                 {"weight", plain_number(adapter.weight)}});
  }
  if (recipe.merge == nullptr) {
    entry["weight"] = plain_number(ingredient.weight);
  }
  if (!ingredient.hash.empty()) entry["hash"] = ingredient.hash;
  if (!ingredient.settings.empty()) {
    entry["settings"] = numbers_json(ingredient.settings);
  }
  if (!ingredient.tensor_weights.empty()) {
    entry["tensor_weights"] = numbers_json(ingredient.tensor_weights);
  }
  if (recipe.merge == nullptr && recipe.base == index) entry["base"] = true;
  return entry;
}

}  // namespace

ordered_json recipe_json(const Recipe& recipe, const fs::path& folder) {
  ordered_json json = {{"soup", SOUP_VERSION}, {"rule", recipe.rule}};
  json["ingredients"] = ordered_json::array();
  for (size_t i = 0; i < recipe.ingredients.size(); ++i) {
    json["ingredients"].push_back(ingredient_json(recipe, i, folder));
  }
  const Recipe defaults;
  if (recipe.dtype != defaults.dtype) json["dtype"] = recipe.dtype;
  if (!recipe.include.empty()) json["include"] = recipe.include;
  if (!recipe.exclude.empty()) json["exclude"] = recipe.exclude;
  if (recipe.ints != defaults.ints) json["ints"] = name_of(recipe.ints);
  if (recipe.allow_nonfinite) json["allow_nonfinite"] = true;
  if (recipe.experts != defaults.experts) {
    json["experts"] = name_of(recipe.experts);
  }
  if (!recipe.open.key.empty()) json["key"] = recipe.open.key;
  if (recipe.open.ema) json["ema"] = true;
  if (recipe.seed != 0) json["seed"] = recipe.seed;
  if (!recipe.settings.empty()) {
    json["settings"] = numbers_json(recipe.settings);
  }
  if (recipe.numerics != defaults.numerics)
    json["numerics"] = name_of(recipe.numerics);
  if (recipe.work_dtype != defaults.work_dtype) {
    json["work_dtype"] = recipe.work_dtype;
  }
  if (recipe.merge != nullptr) json["merge"] = merge_json(*recipe.merge);
  return json;
}

}  // namespace soup
