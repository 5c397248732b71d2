#pragma once

#include <string>
#include <vector>

#include "model/layout.h"
#include "soup/model.h"

namespace soup {

/// Logits that the exported model gave before it was exported, row by row, for
/// weights and inputs that follow from a formula (scripts/export_model.py):
/// one row of numbers for each set of weights.
using TestLogits = std::vector<std::vector<double>>;

/// Loads each set of weights and compares. A file into which weights were baked
/// gives the same logits for all. Throws Error naming `where` unless logits are
/// equal to 1e-3 of the largest; leaves the last set of weights in `model`.
void self_test(Model& model, const std::vector<Slot>& slots,
               const TestLogits& expected, const std::string& where);

}  // namespace soup
