#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "soup/data.h"
#include "soup/eval.h"

namespace soup {

/// Those of several data sets that are distribution shifts. What a model is
/// worth under shifts is the plain mean of its scores on them
/// (arXiv:2203.05482, table 1).
class Shifts {
 public:
  /// `specs`: of the data sets, in the order of the scores.
  explicit Shifts(std::span<const DatasetSpec> specs);

  /// True where there are several, so that a mean says something.
  bool any() const { return which_.size() > 1; }
  /// The mean, as a score to be printed. The last of `scores` are those of the
  /// data sets, one for each.
  Score mean(std::span<const Score> scores) const;
  /// `{"kind":"mean",...}`.
  nlohmann::ordered_json describe(const std::filesystem::path& path,
                                  std::span<const Score> scores) const;

 private:
  size_t count_;  ///< data sets
  std::vector<size_t> which_;
};

}  // namespace soup
