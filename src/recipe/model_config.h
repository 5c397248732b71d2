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

/// Throws UsageError for a chat template that is not known.
void check_chat_template(const std::string& wanted);

/// Puts the chat template that the recipe asks for into the files of a model.
/// Throws UsageError for one that is not known.
void set_chat_template(std::map<std::string, std::string>& files,
                       const Recipe&);

/// The recipe's `merge` as indented JSON.
std::string merge_recipe_text(const Recipe&);

}  // namespace soup
