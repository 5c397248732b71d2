#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/layout.h"
#include "soup/model.h"

namespace soup {

/// Logits that the exported model gave before it was exported, row by row, for
/// weights and inputs that follow from a formula (scripts/export_model.py):
/// one row of numbers for each set of weights.
using TestLogits = std::vector<std::vector<double>>;

/// Loads each set of weights and compares, alone and in a batch of unit(). A
/// file into which weights were baked gives the same logits for all. Throws
/// Error naming `where` unless logits are equal to 1e-3 of the largest; leaves
/// the last set of weights in `model`.
void self_test(Model& model, const std::vector<Slot>& slots,
               const TestLogits& expected, const std::string& where);

/// Inputs of `count` examples on the CPU that follow from a formula: floats in
/// [-1, 1), or whole numbers below a limit. `first`: other ones for others.
std::vector<at::Tensor> test_inputs(const ModelInput& input, int64_t count,
                                    uint64_t first);

/// A state dict of float32 that fits `slots`; values(i): those of slots[i].
std::unique_ptr<MemoryCheckpoint> test_state_dict(
    const std::vector<Slot>& slots,
    const std::function<at::Tensor(size_t)>& values);

/// True when logits differ by no more than `tolerance` of the largest that was
/// wanted.
bool agree(const at::Tensor& found, const at::Tensor& wanted, double tolerance);

}  // namespace soup
