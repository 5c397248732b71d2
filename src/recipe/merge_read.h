#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "soup/recipe.h"

namespace soup {

/// True for text that is a recipe in mergekit's YAML rather than JSON.
bool looks_like_merge(std::string_view text);

/// A recipe from mergekit's YAML: of several documents, the one that the
/// others feed. Throws UsageError with every mistake, and Error for models
/// that are not there.
Recipe parse_merge(std::string_view text, const std::string& where,
                   const std::filesystem::path& folder);

/// Reads `merge` of a recipe in JSON into `recipe`, whose ingredients are
/// known.
void read_merge(const nlohmann::ordered_json& merge, const std::string& where,
                Recipe& recipe);
nlohmann::ordered_json merge_json(const MergeConfig&);

}  // namespace soup
