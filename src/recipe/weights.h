#pragma once

#include <string>
#include <vector>

#include "soup/recipe.h"

namespace soup {

/// Throws UsageError when a weight is not finite or, for a weighted mean, their
/// sum is zero.
void check_weights(const Recipe& recipe, const std::string& where);

/// Weights of the ingredients for tensor `name`. For a weighted mean all 1 when
/// they are equal, so that every way to write a uniform soup gives the same
/// bytes (unless products are rounded). Throws as check_weights.
std::vector<double> weights_of(const Recipe& recipe, const std::string& name);

}  // namespace soup
