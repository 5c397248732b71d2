#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "search/trial.h"
#include "soup/search.h"

namespace soup {

/// Everything that the results of a run depend on: contents of ingredients and
/// data, options and version. The first record of its journal.
nlohmann::ordered_json identity_of(std::string_view search,
                                   std::span<const CheckpointPtr> checkpoints,
                                   const Panel& panel,
                                   const SearchOptions& options);

/// What differs between the identities of two runs, in words; empty when
/// nothing but names of files does.
std::vector<std::string> differences(const nlohmann::ordered_json& then,
                                     const nlohmann::ordered_json& now);

}  // namespace soup
