#pragma once

#include <span>

#include "cli/output.h"
#include "soup/data.h"

namespace soup {

/// Reads what is there of each data set and holds it against what its spec
/// expects (counts, hashes of files, pictures that can be decoded, but for
/// `skip_bad`): a `data` line each. Returns the exit code: 1 when one falls
/// short. Throws Error for one that is not there.
int check_data(std::span<const DatasetSpec> specs, const Output& output);

}  // namespace soup
