#pragma once

#include "search/trial.h"
#include "soup/search.h"

namespace soup {

/// Says in `candidate`, which comes with step and path and is early where it is
/// not its turn, what the comparison `trial` with `incumbent` has found.
void describe(const Panel& panel, const Trial& trial,
              const Incumbent& incumbent, Candidate& candidate);

}  // namespace soup
