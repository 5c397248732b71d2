#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "model/layout.h"

namespace torch::jit {
struct Module;
}

namespace soup {

/// The weights of a TorchScript module, by the names of a state dict.
struct ModuleTensors {
  std::vector<Slot> slots;           ///< floating parameters and buffers
  std::vector<std::string> ignored;  ///< no floats, or other names of the same
  std::map<std::string, at::Tensor> places;  ///< of slots, in the module
};

ModuleTensors tensors_of(const torch::jit::Module& module);

/// Names of the weights that forward() does not read, in order of `slots`.
/// Throws Error naming `where` and a weight that the program seems to hold
/// beside its parameters and buffers, as tracing leaves it: one that is not
/// read though a constant has as many values (or, of single numbers, is it or
/// its exponential), or one of which there is a copy. Values are those in the
/// file, so this must come before others are swapped in.
std::vector<std::string> check_not_baked(const torch::jit::Module& module,
                                         const ModuleTensors& tensors,
                                         const std::string& where);

}  // namespace soup
