#pragma once

#include <span>

#include "soup/recipe.h"

namespace soup {

/// Plans a recipe that has `merge` over its opened ingredients: make_plan for
/// stacks, slices and parameters that vary.
/// Throws Error or UsageError with every mistake.
Plan plan_merge(const Recipe& recipe,
                std::span<const Checkpoint* const> ingredients);

}  // namespace soup
