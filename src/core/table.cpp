#include "core/table.h"

#include <algorithm>
#include <numeric>

namespace soup {
namespace {

// Levenshtein distance, one row at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view name,
                         std::span<const std::string_view> names) {
  std::string_view best;
  size_t best_distance = std::max<size_t>(name.size() / 3, 1) + 1;
  for (std::string_view candidate : names) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return std::string(best);
}

std::string suggestion(std::string_view name,
                       std::span<const std::string_view> names) {
  const std::string near = nearest_name(name, names);
  if (!near.empty()) return ", did you mean '" + near + "'?";
  std::string all = "; there is: ";
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) all += ", ";
    all += names[i];
  }
  return all;
}

}  // namespace soup
