#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "soup/checkpoint.h"

namespace soup {

/// The pickle (protocol 2) of an OrderedDict of tensors, as torch.load with
/// `weights_only=True` takes it. Storage k holds the k-th tensor that is not
/// tied. `where` names the file in messages.
/// Throws Error naming a tensor of a dtype that torch does not have.
std::string write_state_dict(std::span<const TensorInfo> tensors,
                             const std::string& where);

}  // namespace soup
