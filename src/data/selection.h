#pragma once

#include <cstdint>
#include <vector>

#include "data/listing.h"

namespace soup {

/// Positions in `listing`, ascending, of the examples that `spec` chooses:
/// those of its `indices` (or, where it asks for them, `per_class` drawn ones),
/// and of these its `range`. Says what was drawn.
/// Throws Error when there are none, or fewer than the spec asks for.
std::vector<int64_t> select_examples(const DatasetSpec& spec,
                                     const Listing& listing);

}  // namespace soup
