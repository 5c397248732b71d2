#pragma once

#include <span>
#include <string>
#include <vector>

#include "recipe/piece.h"
#include "soup/recipe.h"

namespace soup {

/// Notices about ingredients, or single matrices of them, that are so far from
/// the others that they were evidently not trained from the same weights. Looks
/// at equal weights only: a mean with others says less of where the
/// ingredients lie. `found`: by tensor of the plan.
std::vector<std::string> find_outliers(
    const Plan& plan, std::span<const Checkpoint* const> ingredients,
    std::span<const Findings> found);

}  // namespace soup
