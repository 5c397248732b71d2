#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/hash.h"
#include "soup/recipe.h"
#include "support/temp_folder.h"

/// Whole recipes against mergekit 0.1.5: hashes of results that
/// scripts/check_merges.py found to be mergekit's in float64, rounded once, and
/// with Numerics::kMergekit its very bytes.
namespace soup {
namespace {

using nlohmann::json;

const std::filesystem::path kFolder =
    std::filesystem::path(SOUP_TEST_DATA) / "merges";

// Of the bytes of all tensors in the order of their names.
std::string content_hash(const Checkpoint& file) {
  std::vector<size_t> order(file.tensors().size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return file.tensors()[a].name < file.tensors()[b].name;
  });
  std::vector<std::byte> all;
  for (size_t i : order) {
    const TensorData data = file.read(i);
    all.insert(all.end(), data.bytes().begin(), data.bytes().end());
  }
  return hex(xxh3_128(all));
}

// As `soup mix --numerics` does it, stages too.
Recipe with_numerics(Recipe recipe, Numerics numerics) {
  recipe.numerics = numerics;
  for (Ingredient& ingredient : recipe.ingredients) {
    if (ingredient.made == nullptr) continue;
    ingredient.made = std::make_shared<const Recipe>(
        with_numerics(*ingredient.made, numerics));
  }
  return recipe;
}

std::string mix(const Recipe& given, Numerics numerics) {
  const Recipe recipe = with_numerics(given, numerics);
  const testing::TempFolder folder;
  const auto opened = open_ingredients(recipe);
  std::vector<const Checkpoint*> ingredients;
  for (const CheckpointPtr& c : opened) ingredients.push_back(c.get());
  make_soup(recipe, ingredients, folder / "out.safetensors", {});
  return content_hash(*open_checkpoint(folder / "out.safetensors"));
}

TEST(MergeReference, WholeRecipes) {
  std::ifstream file(kFolder / "cases.json");
  const json cases = json::parse(file);
  for (const auto& [name, given] : cases.items()) {
    const Recipe recipe =
        parse_recipe(given["recipe"].get<std::string>(), name, kFolder);
    EXPECT_EQ(mix(recipe, Numerics::kDefault), given["default"]) << name;
    if (!given.contains("mergekit")) continue;
    EXPECT_EQ(mix(recipe, Numerics::kMergekit), given["mergekit"]) << name;
  }
  EXPECT_GE(cases.size(), 70U);
}

}  // namespace
}  // namespace soup
