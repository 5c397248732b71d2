#pragma once

#include <span>
#include <string>

#include "cli/output.h"
#include "soup/recipe.h"

namespace soup {

/// Prints how output tensor `name` of a plan is made: rule, dtype, settings,
/// and of every source the tensor, weight and settings.
/// Throws UsageError with the nearest name when there is none.
void explain_tensor(const Plan& plan,
                    std::span<const Checkpoint* const> ingredients,
                    const std::string& name, const Output& output);

}  // namespace soup
