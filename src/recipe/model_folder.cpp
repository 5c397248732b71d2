#include "recipe/model_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "recipe/chat_template.h"
#include "recipe/merge_config.h"
#include "recipe/merge_models.h"
#include "recipe/model_config.h"
#include "recipe/vocabulary.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

using nlohmann::ordered_json;

constexpr size_t kMaxFile = 256 << 20;
constexpr std::string_view kCached = "models--";

// Folder of an ingredient's files; empty for a file alone.
fs::path folder_of_model(const Ingredient& ingredient) {
  std::error_code error;
  return fs::is_directory(ingredient.path, error) ? ingredient.path
                                                  : fs::path();
}

// A model card as the hub reads it.
std::string model_card(const Recipe& recipe) {
  std::string card = "---\nbase_model:\n";
  for (const Ingredient& i : recipe.ingredients) {
    card += "- " + ordered_json(title(i)).dump() + "\n";
  }
  card +=
      "library_name: transformers\ntags:\n- merge\n- model-soup\n---\n"
      "# Merged model\n\nMade by soup " SOUP_VERSION " with the method **" +
      recipe.rule + "** from:\n\n";
  for (size_t k = 0; k < recipe.ingredients.size(); ++k) {
    card += "- " + title(recipe.ingredients[k]) +
            (recipe.base == k ? " (base model)" : "") + "\n";
  }
  if (!recipe.merge->text.empty()) {
    return card + "\nThe recipe:\n\n```yaml\n" + recipe.merge->text +
           (recipe.merge->text.ends_with('\n') ? "" : "\n") + "```\n";
  }
  return card + "\nThe recipe, whose models are numbered in this order:\n\n" +
         "```json\n" + merge_recipe_text(recipe) + "\n```\n";
}

}  // namespace

std::string title(const Ingredient& ingredient) {
  if (ingredient.made != nullptr) return "a merge of this recipe";
  std::string name = ingredient.path.filename().string();
  for (const fs::path& part : fs::absolute(ingredient.path)) {
    if (!part.string().starts_with(kCached)) continue;
    name = part.string().substr(kCached.size());
    if (const size_t at = name.find("--"); at != std::string::npos) {
      name.replace(at, 2, "/");
    }
  }
  for (const AdapterShare& adapter : ingredient.adapters) {
    name += "+" + adapter.path.filename().string();
  }
  return printable(name);
}

std::string companion(const Ingredient& ingredient, const Checkpoint& file,
                      const std::string& name) {
  if (ingredient.made != nullptr) return file.companion(name);
  const fs::path folder = folder_of_model(ingredient);
  if (folder.empty() || !fs::is_regular_file(folder / name)) return {};
  return read_text(folder / name, kMaxFile);
}

ordered_json model_config(const Ingredient& ingredient,
                          const Checkpoint& file) {
  const std::string text = companion(ingredient, file, "config.json");
  if (text.empty()) return nullptr;
  return parse_json(text, (ingredient.path / "config.json").string());
}

size_t donor(const Recipe& recipe) {
  if (recipe.merge == nullptr) return recipe.base.value_or(0);
  const MergeConfig& config = *recipe.merge;
  if (config.base) return *config.base;
  return config.modules.front().slices.front().sources.front().model;
}

std::map<std::string, std::string> model_files(
    const Recipe& recipe, std::span<const Checkpoint* const> ingredients,
    const Plan& plan) {
  std::map<std::string, std::string> files;
  const size_t from = donor(recipe);
  for (const char* name : companion_names()) {
    std::string text =
        companion(recipe.ingredients[from], *ingredients[from], name);
    if (!text.empty()) files[name] = std::move(text);
  }
  if (recipe.merge == nullptr) return files;
  const std::string config = merged_config(recipe, ingredients, plan);
  if (!config.empty()) files["config.json"] = config;
  set_tokenizer(files, recipe, ingredients);
  set_chat_template(files, recipe, ingredients);
  if (!recipe.merge->text.empty()) {
    files["mergekit_config.yml"] = recipe.merge->text;
  }
  files["README.md"] = model_card(recipe);
  return files;
}

void add_model_files(WriteOptions& options, const Recipe& recipe,
                     std::span<const Checkpoint* const> ingredients,
                     const Plan& plan) {
  options.companions.clear();
  options.files.merge(model_files(recipe, ingredients, plan));
}

}  // namespace soup
