#include "soup/recipe.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/json.h"
#include "core/table.h"
#include "core/text.h"
#include "recipe/paths.h"
#include "recipe/promote.h"
#include "recipe/weights.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

using nlohmann::ordered_json;

constexpr size_t kMaxRecipe = 16 << 20;

constexpr std::array<std::string_view, 10> kKeys = {
    "soup",    "rule", "ingredients", "dtype",           "include",
    "exclude", "ints", "key",         "allow_nonfinite", "ema"};
constexpr std::array<std::string_view, 3> kIngredientKeys = {"path", "weight",
                                                             "hash"};

struct NamedPolicy {
  std::string_view name;
  IntPolicy policy;
};
constexpr std::array kPolicies = {NamedPolicy{"equal", IntPolicy::kEqual},
                                  NamedPolicy{"first", IntPolicy::kFirst}};

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

// 1 rather than 1.0.
ordered_json number(double value) {
  constexpr double kExact = 9e15;
  if (value == std::trunc(value) && std::fabs(value) < kExact) {
    return static_cast<int64_t>(value);
  }
  return value;
}

Ingredient parse_ingredient(const ordered_json& json, const std::string& where,
                            const fs::path& folder) {
  if (json.is_string()) {
    return {.path = from_recipe(json.get<std::string>(), folder)};
  }
  check_keys(json, kIngredientKeys, where);
  if (!json.contains("path")) throw UsageError(where + ": has no 'path'");
  Ingredient ingredient;
  ingredient.path =
      from_recipe(get_as<std::string>(json, "path", where), folder);
  ingredient.weight = get_or(json, "weight", 1.0, where);
  ingredient.hash = get_or<std::string>(json, "hash", "", where);
  return ingredient;
}

// True when the file starts as JSON does; a safetensors header of 123 bytes
// starts with '{' too, but then come zeros.
bool looks_like_json(const fs::path& path) {
  std::array<char, 8> head{};
  std::ifstream(path, std::ios::binary).read(head.data(), head.size());
  const auto* first = std::find_if_not(head.begin(), head.end(), [](char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0;
  });
  return first != head.end() && *first == '{' &&
         (first + 1 == head.end() || *(first + 1) != '\0');
}

}  // namespace

Recipe parse_recipe(std::string_view text, const std::string& where,
                    const fs::path& folder) {
  const ordered_json json = parse_json(text, where);
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
    recipe.ints = find_row<NamedPolicy>(kPolicies, ints, "ints").policy;
  });
  recipe.allow_nonfinite = get_or(json, "allow_nonfinite", false, where);
  recipe.open.key = get_or(json, "key", recipe.open.key, where);
  recipe.open.ema = get_or(json, "ema", false, where);
  if (!json.contains("ingredients") || !json["ingredients"].is_array() ||
      json["ingredients"].empty()) {
    throw UsageError(where + ": 'ingredients' must be a list of at least one");
  }
  for (const ordered_json& ingredient : json["ingredients"]) {
    const std::string place =
        where + ": ingredient " + std::to_string(recipe.ingredients.size() + 1);
    recipe.ingredients.push_back(parse_ingredient(ingredient, place, folder));
  }
  check_weights(recipe, where);
  return recipe;
}

ordered_json recipe_json(const Recipe& recipe, const fs::path& folder) {
  ordered_json json = {{"soup", SOUP_VERSION}, {"rule", recipe.rule}};
  json["ingredients"] = ordered_json::array();
  for (const Ingredient& ingredient : recipe.ingredients) {
    ordered_json entry = {{"path", to_recipe(ingredient.path, folder)},
                          {"weight", number(ingredient.weight)}};
    if (!ingredient.hash.empty()) entry["hash"] = ingredient.hash;
    json["ingredients"].push_back(std::move(entry));
  }
  const Recipe defaults;
  if (recipe.dtype != defaults.dtype) json["dtype"] = recipe.dtype;
  if (!recipe.include.empty()) json["include"] = recipe.include;
  if (!recipe.exclude.empty()) json["exclude"] = recipe.exclude;
  if (recipe.ints != defaults.ints) json["ints"] = "first";
  if (recipe.allow_nonfinite) json["allow_nonfinite"] = true;
  if (!recipe.open.key.empty()) json["key"] = recipe.open.key;
  if (recipe.open.ema) json["ema"] = true;
  return json;
}

Recipe read_recipe(const fs::path& path) {
  if (!fs::is_directory(path) && looks_like_json(path)) {
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

std::vector<CheckpointPtr> open_ingredients(const Recipe& recipe) {
  std::vector<CheckpointPtr> opened;
  for (const Ingredient& ingredient : recipe.ingredients) {
    opened.push_back(open_checkpoint(ingredient.path, recipe.open));
  }
  return opened;
}

}  // namespace soup
