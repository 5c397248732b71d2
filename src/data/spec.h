#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "soup/data.h"

namespace soup {

/// The spec that `json`, the content of the file `origin`, describes. Relative
/// paths in it start at `root`.
/// Throws UsageError for unknown or missing keys and values out of range.
DatasetSpec parse_spec(const nlohmann::ordered_json& json,
                       const std::filesystem::path& origin,
                       const std::filesystem::path& root);

/// The spec of a plain folder of class folders.
DatasetSpec folder_spec(const std::filesystem::path& folder);

/// The spec of a list of pictures, whose paths start at its own folder.
DatasetSpec list_spec(const std::filesystem::path& file);

}  // namespace soup
