#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "soup/checkpoint.h"
#include "soup/eval.h"

namespace soup {

/// A line of a file of scores.
struct KnownScore {
  std::filesystem::path path;
  Score score;  ///< without a direction: the file does not say it
};

/// Scores of a JSON Lines file (`{"kind":"score","path":...}`, as `soup eval`
/// prints them). Lines of other kinds are passed over.
/// Throws Error or UsageError with the line's number.
std::vector<KnownScore> read_scores(const std::filesystem::path& file);

/// Those of `checkpoints` by `metric` on the data of `evaluator`, by path.
/// Scores of other data sets or metrics are passed over.
/// Throws UsageError where none is left, or where two differ.
std::map<std::string, Score> known_scores(
    const std::filesystem::path& file,
    std::span<const CheckpointPtr> checkpoints, const Evaluator& evaluator,
    const std::string& metric);

}  // namespace soup
