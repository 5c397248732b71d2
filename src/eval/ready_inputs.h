#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "soup/data.h"
#include "soup/model.h"

namespace soup {

/// The inputs of `examples` that the model takes, in its order: of shape
/// [count, ...], with the values of their files. A model of pictures takes one,
/// the normalised pictures.
/// Throws Error naming `where` unless names, shapes, kinds and ranges are those
/// that the model takes.
std::vector<at::Tensor> ready_inputs(const Examples& examples,
                                     const ModelInput& input,
                                     const std::string& where);

}  // namespace soup
