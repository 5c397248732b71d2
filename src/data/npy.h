#pragma once

#include "soup/data.h"

namespace soup {

/// NumPy arrays: pictures uint8 [count, height, width] or [count, height,
/// width, 1 or 3], labels whole numbers [count]. Throws Error for others.
Examples load_npy(const DatasetSpec&, const PictureShape&, const Preprocess&);

}  // namespace soup
