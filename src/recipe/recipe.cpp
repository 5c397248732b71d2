#include "soup/recipe.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/json.h"
#include "core/table.h"
#include "core/text.h"
#include "recipe/merge_read.h"
#include "recipe/paths.h"
#include "recipe/promote.h"
#include "recipe/recipe_names.h"
#include "recipe/weights.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

using nlohmann::ordered_json;

constexpr size_t kMaxRecipe = 16 << 20;
constexpr size_t kMaxIngredients = 10'000;

constexpr std::array<std::string_view, 16> kKeys = {
    "soup",     "rule",     "ingredients",     "dtype",  "include", "exclude",
    "ints",     "key",      "allow_nonfinite", "ema",    "seed",    "merge",
    "settings", "numerics", "work_dtype",      "experts"};
constexpr std::array<std::string_view, 8> kIngredientKeys = {
    "path",   "weight", "hash",     "adapters",
    "recipe", "base",   "settings", "tensor_weights"};
constexpr std::array<std::string_view, 2> kAdapterKeys = {"path", "weight"};

template <typename T>
T get_or(const ordered_json& object, const std::string& key, T otherwise,
         const std::string& where) {
  return object.contains(key) ? get_as<T>(object, key, where) : otherwise;
}

// Puts `where` in front of what a look-up in a table complains about.
void check_names(const std::string& where, const std::function<void()>& check) {
  try {
    check();
  } catch (const UsageError& e) {
    throw UsageError(where + ": " + e.what());
  }
}

// An object of numbers by name; truths are 0 and 1.
std::map<std::string, double> numbers(const ordered_json& json,
                                      const std::string& key,
                                      const std::string& where) {
  std::map<std::string, double> all;
  if (!json.contains(key)) return all;
  const ordered_json& object = json[key];
  if (!object.is_object()) {
    throw UsageError(where + ": '" + key + "' must be an object");
  }
  for (const auto& [name, value] : object.items()) {
    if (value.is_boolean()) {
      all[name] = value.get<bool>() ? 1 : 0;
    } else if (value.is_number()) {
      all[name] = value.get<double>();
    } else {
      throw UsageError(where + ": '" + key + "': '" + printable(name) +
                       "' must be a number");
    }
  }
  return all;
}

Recipe recipe_of(const ordered_json& json, const std::string& where,
                 const fs::path& folder);

std::vector<AdapterShare> parse_adapters(const ordered_json& json,
                                         const std::string& where,
                                         const fs::path& folder) {
  if (!json.is_array() || json.empty()) {
    throw UsageError(where + ": 'adapters' must be a list of at least one");
  }
  std::vector<AdapterShare> adapters;
  for (const ordered_json& adapter : json) {
    if (adapter.is_string()) {
      adapters.push_back({from_recipe(adapter.get<std::string>(), folder)});
      continue;
    }
    const std::string place =
        where + ": adapter " + std::to_string(adapters.size() + 1);
    check_keys(adapter, kAdapterKeys, place);
    if (!adapter.contains("path")) throw UsageError(place + ": has no 'path'");
    adapters.push_back(
        {from_recipe(get_as<std::string>(adapter, "path", place), folder),
         get_or(adapter, "weight", 1.0, place)});
  }
  return adapters;
}

Ingredient parse_ingredient(const ordered_json& json, const std::string& where,
                            const fs::path& folder) {
  if (json.is_string()) {
    return {.path = from_recipe(json.get<std::string>(), folder)};
  }
  check_keys(json, kIngredientKeys, where);
  if (json.contains("path") && json.contains("recipe")) {
    throw UsageError(where + ": has both 'path' and 'recipe'");
  }
  if (!json.contains("path") && !json.contains("recipe") &&
      !json.contains("adapters")) {
    throw UsageError(where + ": has no 'path'");
  }
  Ingredient ingredient;
  if (json.contains("recipe")) {
    ingredient.made = std::make_shared<const Recipe>(
        recipe_of(json["recipe"], where + ": recipe", folder));
  } else if (json.contains("path")) {
    ingredient.path =
        from_recipe(get_as<std::string>(json, "path", where), folder);
  }
  if (json.contains("adapters")) {
    ingredient.adapters = parse_adapters(json["adapters"], where, folder);
  }
  ingredient.weight = get_or(json, "weight", 1.0, where);
  ingredient.hash = get_or<std::string>(json, "hash", "", where);
  ingredient.settings = numbers(json, "settings", where);
  ingredient.tensor_weights = numbers(json, "tensor_weights", where);
  return ingredient;
}

// A recipe's text rather than a soup: by its name, or by its first bytes, among
// which every format of checkpoints has control characters.
bool is_text(const fs::path& path) {
  if (path.extension() == ".yml" || path.extension() == ".yaml") return true;
  std::array<char, 16> head{};
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), head.size());
  const std::string_view read(head.data(), static_cast<size_t>(file.gcount()));
  return std::all_of(read.begin(), read.end(), [](char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0 ||
           std::iscntrl(static_cast<unsigned char>(c)) == 0;
  });
}

// A whole number, exact.
uint64_t read_seed(const ordered_json& json, const std::string& where) {
  if (!json.contains("seed")) return 0;
  if (!json["seed"].is_number_unsigned()) {
    throw UsageError(where + ": 'seed' must be a whole number from 0 on");
  }
  return json["seed"].get<uint64_t>();
}

Recipe recipe_of(const ordered_json& json, const std::string& where,
                 const fs::path& folder) {
  check_keys(json, kKeys, where);
  Recipe recipe;
  recipe.rule = get_or(json, "rule", recipe.rule, where);
  recipe.dtype = get_or(json, "dtype", recipe.dtype, where);
  recipe.include = get_or(json, "include", recipe.include, where);
  recipe.exclude = get_or(json, "exclude", recipe.exclude, where);
  const auto ints = get_or<std::string>(json, "ints", "equal", where);
  check_names(where, [&] {
    find_row(rules(), recipe.rule, "rule");
    forced_dtype(recipe.dtype);
    recipe.ints = find_int_policy(ints);
  });
  recipe.allow_nonfinite = get_or(json, "allow_nonfinite", false, where);
  recipe.seed = read_seed(json, where);
  recipe.settings = numbers(json, "settings", where);
  recipe.work_dtype = get_or(json, "work_dtype", recipe.work_dtype, where);
  const auto numerics = get_or<std::string>(json, "numerics", "default", where);
  check_names(where, [&] {
    if (!recipe.work_dtype.empty()) forced_dtype(recipe.work_dtype);
    recipe.numerics = find_numerics(numerics);
  });
  const auto experts = get_or<std::string>(json, "experts", "keep", where);
  check_names(where, [&] { recipe.experts = find_expert_layout(experts); });
  recipe.open.key = get_or(json, "key", recipe.open.key, where);
  recipe.open.ema = get_or(json, "ema", false, where);
  if (!json.contains("ingredients") || !json["ingredients"].is_array() ||
      json["ingredients"].empty()) {
    throw UsageError(where + ": 'ingredients' must be a list of at least one");
  }
  if (json["ingredients"].size() > kMaxIngredients) {
    throw UsageError(where + ": has more than " +
                     std::to_string(kMaxIngredients) + " ingredients");
  }
  for (const ordered_json& ingredient : json["ingredients"]) {
    const std::string place =
        where + ": ingredient " + std::to_string(recipe.ingredients.size() + 1);
    recipe.ingredients.push_back(parse_ingredient(ingredient, place, folder));
    if (!ingredient.is_object() || !get_or(ingredient, "base", false, place)) {
      continue;
    }
    if (recipe.base) throw UsageError(place + ": there is a base already");
    recipe.base = recipe.ingredients.size() - 1;
  }
  check_weights(recipe, where);
  if (json.contains("merge")) read_merge(json["merge"], where, recipe);
  return recipe;
}

}  // namespace

Recipe parse_recipe(std::string_view text, const std::string& where,
                    const fs::path& folder) {
  if (looks_like_merge(text)) return parse_merge(text, where, folder);
  return recipe_of(parse_json(text, where), where, folder);
}

Recipe read_recipe(const fs::path& path) {
  if (!fs::is_directory(path) && is_text(path)) {
    return parse_recipe(read_text(path, kMaxRecipe), path.string(),
                        path.parent_path());
  }
  const CheckpointPtr soup = open_checkpoint(path);
  const auto found = soup->metadata().find("soup.recipe");
  if (found == soup->metadata().end()) {
    throw Error(path.string() + ": carries no recipe; it was not made by soup");
  }
  return parse_recipe(found->second, path.string(), recipe_folder(path));
}

}  // namespace soup
