#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soup/error.h"

namespace soup {

/// The one of `names` nearest to `name` by edit distance, or empty when none
/// is near enough to be a slip of the finger.
std::string nearest_name(std::string_view name,
                         std::span<const std::string_view> names);

/// ", did you mean 'x'?" for the nearest name, else "; there is: a, b, c".
std::string suggestion(std::string_view name,
                       std::span<const std::string_view> names);

/// The row of `table` called `name`.
/// Throws UsageError: "unknown rule 'liner', did you mean 'linear'?"
template <typename Row>
const Row& find_row(std::span<const Row> table, std::string_view name,
                    std::string_view what) {
  std::vector<std::string_view> names;
  for (const Row& row : table) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  throw UsageError("unknown " + std::string(what) + " '" + std::string(name) +
                   "'" + suggestion(name, names));
}

}  // namespace soup
