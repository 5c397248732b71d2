#pragma once

#include <string>
#include <vector>

#include "soup/recipe.h"

namespace soup {

/// Throws UsageError when a weight is not finite or their sum is zero.
void check_weights(const Recipe& recipe, const std::string& where);

/// The weights of a recipe; all 1 when they are equal, so that every way to
/// write a uniform soup gives the same bytes. Throws as check_weights.
std::vector<double> normal_weights(const Recipe& recipe);

}  // namespace soup
