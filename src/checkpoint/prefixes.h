#pragma once

#include <span>
#include <string>
#include <vector>

#include "soup/checkpoint.h"

namespace soup {

/// `tensors`' names without what DDP, FSDP, torch.compile, Fabric and averaging
/// put into them: `_orig_mod.` and the like wherever they stand, a leading
/// `module.` when every name has it. The choice depends on the names alone, so
/// all files of one architecture are treated alike. An empty name: the tensor
/// belongs to the wrapper (`n_averaged`) and is left out.
std::vector<std::string> strip_prefixes(std::span<const TensorInfo> tensors);

/// `checkpoint` with stripped names, or as it is when nothing changes.
/// Throws Error when two names become equal.
CheckpointPtr without_prefixes(CheckpointPtr checkpoint);

}  // namespace soup
