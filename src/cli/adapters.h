#pragma once

#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/soup_command.h"

namespace soup {

/// Makes, writes and reports `recipe`, whose ingredient is an average of LoRA
/// adapters (gather_adapters).
/// Throws UsageError for held-out data: an adapter alone cannot be scored.
int average_adapters(const Recipe& recipe, const SoupArguments& arguments,
                     const Output& output);

/// Paths and weights of the adapters of an ingredient, as results show them.
nlohmann::ordered_json adapters_json(const Ingredient& ingredient);

/// Folder whose configuration and tokenizer go with an output folder.
std::filesystem::path companion_folder(const Ingredient& ingredient);

}  // namespace soup
