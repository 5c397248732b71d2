#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "soup/recipe.h"

/// What merge recipes may ask of the table of rules.
namespace soup {

/// Rules that a recipe can name: those that mix floats.
std::vector<std::string_view> merge_rule_names();
/// Parameters that some rule knows, and those that are ignored.
std::vector<std::string_view> merge_parameter_names();
/// Parameters of older tools without an effect on values.
bool is_ignored_parameter(std::string_view name);

}  // namespace soup
