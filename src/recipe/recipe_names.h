#pragma once

#include <string>
#include <string_view>

#include "soup/recipe.h"

/// How a recipe in JSON spells what it chooses.
namespace soup {

/// Throws UsageError for a name that is none, with the nearest one.
IntPolicy find_int_policy(const std::string& name);

std::string_view name_of(IntPolicy policy);
std::string_view name_of(Numerics numerics);
std::string_view name_of(ExpertLayout layout);

}  // namespace soup
