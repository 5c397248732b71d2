#pragma once

#include <string>

#include "soup/checkpoint.h"

namespace soup {

/// adapter_config.json of what join_adapters() returned; empty for any other
/// checkpoint.
std::string adapter_config(const Checkpoint& checkpoint);

}  // namespace soup
