#pragma once

#include "soup/data.h"

namespace soup {

/// NumPy arrays of .npy or .npz files: pictures uint8 [count, height, width] or
/// [count, height, width, 1 or 3], labels whole numbers [count] or [count, 1].
/// Throws Error for others.
Examples load_npy(const DatasetSpec&, const PictureShape&, const Preprocess&);

}  // namespace soup
