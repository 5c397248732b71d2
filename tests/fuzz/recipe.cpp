#include "soup/recipe.h"

#include <nlohmann/json.hpp>

#include "invariants.h"
#include "soup/error.h"

// What is accepted can be written and read again, and is then the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const soup::Recipe recipe = soup::parse_recipe(text, "x", "");
    const std::string written = soup::recipe_json(recipe, "").dump();
    const soup::Recipe again = soup::parse_recipe(written, "y", "");
    soup::fuzz::require(again.ingredients.size() == recipe.ingredients.size());
    soup::fuzz::require(soup::recipe_json(again, "").dump() == written);
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
