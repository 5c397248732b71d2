#include "recipe/vocabulary.h"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/json.h"
#include "core/text.h"
#include "recipe/merge_config.h"
#include "recipe/model_folder.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
using Vocabulary = std::map<std::string, int64_t>;

constexpr std::array kTokenizerFiles = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "tokenizer.model",
                                        "added_tokens.json",
                                        "special_tokens_map.json",
                                        "vocab.json",
                                        "vocab.txt",
                                        "merges.txt",
                                        "chat_template.json",
                                        "chat_template.jinja"};

// Tokens of tokenizer.json: BPE, WordPiece and WordLevel map them to numbers,
// Unigram lists them with scores.
std::optional<Vocabulary> vocabulary(const Ingredient& ingredient) {
  const std::string text = companion(ingredient, "tokenizer.json");
  if (text.empty()) return std::nullopt;
  const std::string where = title(ingredient) + ": tokenizer.json";
  const ordered_json json = parse_json(text, where);
  Vocabulary tokens;
  const auto fail = [&]() -> std::optional<Vocabulary> {
    throw Error(where + ": its vocabulary is of no known kind");
  };
  if (!json.is_object() || !json.contains("model") ||
      !json["model"].is_object() || !json["model"].contains("vocab")) {
    return fail();
  }
  const ordered_json& vocab = json["model"]["vocab"];
  if (!vocab.is_object() && !vocab.is_array()) return fail();
  int64_t place = 0;
  for (const auto& [key, value] : vocab.items()) {
    if (vocab.is_array()) {
      if (!value.is_array() || value.empty() || !value[0].is_string()) {
        return fail();
      }
      tokens.emplace(value[0].get<std::string>(), place++);
    } else {
      if (!value.is_number_integer()) return fail();
      tokens.emplace(key, value.get<int64_t>());
    }
  }
  if (!json.contains("added_tokens")) return tokens;
  for (const ordered_json& added : json["added_tokens"]) {
    if (!added.is_object() || !added.contains("content") ||
        !added["content"].is_string() || !added.contains("id") ||
        !added["id"].is_number_integer()) {
      return fail();
    }
    tokens[added["content"].get<std::string>()] = added["id"].get<int64_t>();
  }
  return tokens;
}

// A token that is not the same in both, empty: none.
std::string difference(const Vocabulary& a, const Vocabulary& b) {
  for (const auto& [token, id] : a) {
    const auto found = b.find(token);
    if (found == b.end() || found->second != id) return token;
  }
  for (const auto& [token, id] : b) {
    if (!a.contains(token)) return token;
  }
  return {};
}

// The ingredient whose tokenizer files are wanted.
size_t tokenizer_model(const Recipe& recipe) {
  const TokenizerRule& rule = *recipe.merge->tokenizer;
  return rule.source == TokenizerRule::Source::kModel ? rule.model
                                                      : donor(recipe);
}

}  // namespace

void check_vocabularies(const Recipe& recipe) {
  if (!recipe.merge->tokenizer) return;
  const TokenizerRule& rule = *recipe.merge->tokenizer;
  if (!rule.tokens.empty() || rule.multiple > 0) {
    throw UsageError(
        "tokenizer: 'tokens' and 'pad_to_multiple_of' change the rows of "
        "embeddings, which is not supported");
  }
  std::optional<Vocabulary> first;
  std::string whose;
  for (const Ingredient& ingredient : recipe.ingredients) {
    const std::optional<Vocabulary> found = vocabulary(ingredient);
    if (found && first) {
      const std::string token = difference(*first, *found);
      if (!token.empty() || first->size() != found->size()) {
        throw Error(title(ingredient) + ": has another vocabulary than " +
                    whose + " (first token '" + printable(token) +
                    "'); vocabularies that differ cannot be merged: give "
                    "models of one vocabulary");
      }
    } else if (found) {
      first = found;
      whose = title(ingredient);
    }
  }
}

void set_tokenizer(std::map<std::string, std::string>& files,
                   const Recipe& recipe) {
  if (!recipe.merge->tokenizer) return;
  const Ingredient& from = recipe.ingredients[tokenizer_model(recipe)];
  for (const char* name : kTokenizerFiles) {
    files.erase(name);
    std::string text = companion(from, name);
    if (!text.empty()) files[name] = std::move(text);
  }
}

}  // namespace soup
