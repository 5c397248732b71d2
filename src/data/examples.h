#pragma once

#include <array>
#include <cstdint>

#include "soup/data.h"

namespace soup {

/// True when the files that `spec` names one by one are all there.
bool files_present(const DatasetSpec& spec);

/// Throws Error for the first of them that is not.
void check_files(const DatasetSpec& spec);

/// The range of `spec`, or all. Throws Error when it ends behind `count`.
std::array<int64_t, 2> checked_range(const DatasetSpec& spec, int64_t count);

/// Examples with room for the pixels, all else still empty.
/// Throws Error when they are more than memory holds.
Examples make_examples(const DatasetSpec& spec, int64_t count,
                       const PictureShape& shape);

}  // namespace soup
