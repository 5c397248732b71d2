#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "soup/recipe.h"

namespace soup {

/// What `chat_template` of a recipe may be beside the text of a Jinja template.
std::vector<std::string> chat_template_names();
/// A name, or text that can be a Jinja template?
bool is_chat_template(const std::string& wanted);

/// Puts the chat template that the recipe asks for into the files of a model.
void set_chat_template(std::map<std::string, std::string>& files, const Recipe&,
                       std::span<const Checkpoint* const> ingredients);

}  // namespace soup
