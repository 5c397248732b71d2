#pragma once

#include <map>
#include <span>
#include <string>

#include "soup/recipe.h"

namespace soup {

/// config.json of a merge: its donor's, with the number of layers, lists with
/// an entry per layer, dtype, vocabulary and ties as the planned tensors are.
/// Empty when the donor has none.
std::string merged_config(const Recipe&,
                          std::span<const Checkpoint* const> ingredients,
                          const Plan&);

/// The recipe's `merge` as indented JSON.
std::string merge_recipe_text(const Recipe&);

}  // namespace soup
