#pragma once

#include <CLI/App.hpp>
#include <filesystem>

#include "soup/search.h"

namespace soup {

/// Declares what a search with a journal needs.
void add_run_options(CLI::App& app, SearchOptions& search);
/// The journal's folder, where none was given, lies beside the output.
void complete_run_dir(SearchOptions& search, std::filesystem::path out);

}  // namespace soup
