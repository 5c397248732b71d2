#pragma once

#include <string>
#include <utility>
#include <vector>

#include "checkpoint/wrappers.h"

namespace soup {

/// "module.Class" of what `object` would have been; "?" where that is unclear.
std::string class_name(const Pickle& pickle, const PickleObject& object);

/// Names and kinds of what lies beside `weights` at the top of a file.
std::vector<std::pair<std::string, std::string>> describe_extras(
    PickleWalk& walk, const Weights& weights);

}  // namespace soup
