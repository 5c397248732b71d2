#pragma once

#include "cli/output.h"
#include "soup/checkpoint.h"

namespace soup {

/// The tensors of a checkpoint as a table by the parts of their names.
void print_tensor_tree(const Checkpoint& checkpoint, const Output& output);

}  // namespace soup
