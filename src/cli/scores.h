#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "soup/eval.h"

namespace soup {

/// Scores of a JSON Lines file (`{"kind":"score","path":...}`, as `soup eval`
/// prints them) by path. Lines of other kinds are passed over.
/// Throws Error or UsageError with the line's number.
std::map<std::string, Score> read_scores(const std::filesystem::path& file);

}  // namespace soup
