#pragma once

#include <string>

#include "soup/checkpoint.h"

/// Weights that are stored as what they are computed from.
namespace soup {

/// torch.nn.utils.prune's `X_mask` beside `X_orig`.
bool is_pruning_mask(const Checkpoint& model, const TensorInfo& tensor);

/// What is wrong about averaging the factors of weight norm or spectral norm,
/// with the first of them; empty when there are none.
std::string factors_notice(const Checkpoint& model);

}  // namespace soup
