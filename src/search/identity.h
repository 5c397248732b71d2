#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "search/journal.h"
#include "search/trial.h"
#include "soup/search.h"

namespace soup {

/// Everything that the results of a run depend on: contents of ingredients and
/// data, options and version. The first record of its journal.
nlohmann::ordered_json identity_of(std::string_view search,
                                   std::span<const CheckpointPtr> checkpoints,
                                   const Panel& panel,
                                   const SearchOptions& options);

/// The same without the ingredients, which takes no reading of them.
nlohmann::ordered_json circumstances_of(
    std::string_view search, std::span<const CheckpointPtr> checkpoints,
    const Panel& panel, const SearchOptions& options);

/// The hash that a soup of this checkpoint carries, as in identity_of().
std::string content_hash(const Checkpoint& checkpoint, Recipe recipe);

/// What differs between the identities of two runs, in words; empty when
/// nothing but names of files does.
std::vector<std::string> differences(const nlohmann::ordered_json& then,
                                     const nlohmann::ordered_json& now);

/// Begins `journal` with `now`, or checks that it was begun so.
/// Throws Error naming what differs.
void begin_journal(Journal& journal, const std::filesystem::path& run_dir,
                   const nlohmann::ordered_json& now);

/// Throws Error, in the words of a run that goes on.
[[noreturn]] void fail_record(const std::string& where,
                              const nlohmann::json::exception& cause);

/// What `read` gives. A record may be well-formed and yet not say what is asked
/// of it: an Error that names `where`.
template <typename Read>
auto checked_record(const std::string& where, const Read& read) {
  try {
    return read();
  } catch (const nlohmann::json::exception& e) {
    fail_record(where, e);
  }
}

}  // namespace soup
