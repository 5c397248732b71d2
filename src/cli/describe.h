#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "soup/checkpoint.h"
#include "soup/eval.h"
#include "soup/recipe.h"
#include "soup/search.h"

/// Results as the objects of design/cli.md, and their text for tables.
namespace soup {

using nlohmann::ordered_json;

template <typename T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json describe_checkpoint(const Checkpoint& checkpoint);
ordered_json describe_tensor(const Checkpoint& checkpoint,
                             const TensorInfo& tensor);
ordered_json describe_score(const std::filesystem::path& path,
                            const Score& score);
/// The exact 95 % interval of a share of examples; null for other scores.
ordered_json interval_of(const Score& score);
/// What a line about a soup says of its score; nulls where it has none.
ordered_json describe_held_out(const std::optional<Score>& score);
/// Ingredients with their weights and what the soup is without each.
ordered_json describe_ingredients(const SearchResult& result);
ordered_json describe_plan(const Plan& plan, const Recipe& recipe);

/// "91.23 %" for counts, else five digits.
std::string score_text(const Score& score);
/// A sentence for people.
std::string optimism_text(const Optimism& optimism);
/// Four significant digits.
std::string short_number(double value);
/// Size of the whole state dict in memory, tied tensors once.
int64_t total_bytes(const Checkpoint& checkpoint);
int64_t total_parameters(const Checkpoint& checkpoint);

}  // namespace soup
