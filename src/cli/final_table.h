#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/output.h"
#include "cli/shifts.h"
#include "soup/eval.h"

namespace soup {

/// A model at the end of a search.
struct FinalRow {
  std::string title;
  std::filesystem::path path;
  std::optional<Score> held_out = {};
  std::vector<Score> others = {};  ///< by data set, those of --test last
};

/// Prints what each model scored. The last row has all scores that there are.
void print_final(std::span<const FinalRow> rows, const Shifts& shifts,
                 const Output& output);

}  // namespace soup
