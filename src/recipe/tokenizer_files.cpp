#include <array>
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "recipe/merge_config.h"
#include "recipe/model_folder.h"
#include "recipe/vocabulary.h"

// The tokenizer files of a merge.

namespace soup {
namespace {

using nlohmann::ordered_json;

constexpr std::array kTokenizerFiles = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "tokenizer.model",
                                        "added_tokens.json",
                                        "special_tokens_map.json",
                                        "vocab.json",
                                        "vocab.txt",
                                        "merges.txt",
                                        "chat_template.json",
                                        "chat_template.jinja",
                                        "generation_config.json"};
// What says again what tokenizer.json says: not true where that changed.
constexpr std::array kOtherForms = {"tokenizer.model", "added_tokens.json",
                                    "vocab.json", "vocab.txt", "merges.txt"};

// The tokens that came from other models, where transformers looks for them.
void describe_added(std::string& config, const JointVocabulary& vocabulary) {
  ordered_json json = parse_json(config, "tokenizer_config.json");
  if (!json.is_object() || !json.contains("added_tokens_decoder") ||
      !json["added_tokens_decoder"].is_object()) {
    return;
  }
  for (const auto& [id, text] : vocabulary.added) {
    ordered_json entry = ordered_json::parse(text);
    entry.erase("id");
    json["added_tokens_decoder"][std::to_string(id)] = std::move(entry);
  }
  config = json.dump(2) + "\n";
}

}  // namespace

void set_tokenizer(std::map<std::string, std::string>& files,
                   const Recipe& recipe,
                   std::span<const Checkpoint* const> ingredients) {
  const auto vocabulary = joint_vocabulary(recipe, ingredients);
  if (!vocabulary) return;
  const size_t kept = vocabulary->kept;
  for (const char* name : kTokenizerFiles) {
    files.erase(name);
    std::string text =
        companion(recipe.ingredients[kept], *ingredients[kept], name);
    if (!text.empty()) files[name] = std::move(text);
  }
  if (vocabulary->tokenizer.empty()) return;
  for (const char* name : kOtherForms) files.erase(name);
  files["tokenizer.json"] = vocabulary->tokenizer;
  const auto config = files.find("tokenizer_config.json");
  if (config != files.end()) describe_added(config->second, *vocabulary);
}

}  // namespace soup
