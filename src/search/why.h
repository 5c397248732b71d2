#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "search/run.h"

namespace soup {

/// A sentence for a search that kept one checkpoint alone: the likely reason,
/// as far as weights and scores show one, and what to try. `others`: the best
/// first; a few of them are looked at.
std::string why_single(const Run& run, size_t kept,
                       std::span<const size_t> others);

}  // namespace soup
