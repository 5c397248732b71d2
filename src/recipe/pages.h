#pragma once

#include <cstddef>
#include <span>

#include "soup/checkpoint.h"

/// Pages of mapped files.
namespace soup {

/// Maps the pages of a range in one call instead of a fault each. Throws Error
/// where reading them would be a SIGBUS; other failures do not matter.
void populate(std::span<const std::byte> bytes, const Checkpoint& from);

/// Lets go of pages that are not needed again soon, so that what the process
/// holds does not grow with the files.
void release(std::span<const std::byte> bytes);

}  // namespace soup
