#pragma once

#include "search/run.h"

namespace soup {

/// Throws UsageError for what estimate_optimism() cannot search again.
void check_optimism(const Evaluator& evaluator, const SearchOptions& options);

/// Searches greedily, best first, without each fold of the primary's examples
/// and scores what is found on that fold. Every mixture is scored once, on all
/// examples, and what the run scored fully is known already.
Optimism estimate_optimism(Run& run);

}  // namespace soup
