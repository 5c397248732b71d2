#pragma once

#include "recipe/merge_config.h"
#include "soup/recipe.h"

namespace soup {

/// Adds to the notices of `plan` the filters of `config` that match no
/// tensor's name.
void warn_of_idle_filters(const MergeConfig& config, Plan& plan);

}  // namespace soup
