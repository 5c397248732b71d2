#pragma once

#include <string_view>

#include "soup/recipe.h"

/// What is done to tensors by the kind of their values.
namespace soup {

/// True for floats and complex numbers; everything else is copied.
bool is_averaged(DType dtype);

/// The rule of a tensor that is not averaged: the largest of BatchNorm's
/// counters, else what the recipe's IntPolicy says.
std::string_view copying_rule(const Recipe& recipe, std::string_view name,
                              DType dtype);

}  // namespace soup
