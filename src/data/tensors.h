#pragma once

#include "soup/data.h"

namespace soup {

/// Ready inputs of the files in `spec.inputs`, and their labels: NumPy arrays
/// (.npy, .npz), or tensors of safetensors and torch files by the input's name
/// (`labels` for labels).
/// Throws Error for files that do not hold as many examples as there are
/// labels, and for labels that are no whole numbers from 0 on.
Examples read_tensors(const DatasetSpec& spec);

}  // namespace soup
