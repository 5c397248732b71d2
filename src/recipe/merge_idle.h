#pragma once

#include "recipe/merge_config.h"
#include "soup/recipe.h"

namespace soup {

/// Adds to the notices of `plan` what `config` says in vain: filters that match
/// no tensor's name, parameters that none of its rules has.
void warn_of_idle(const MergeConfig& config, Plan& plan);

}  // namespace soup
