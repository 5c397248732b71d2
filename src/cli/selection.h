#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "soup/search.h"

namespace soup {

/// How ingredients are chosen one by one: the variants of the greedy search.
struct SelectionArguments {
  std::string order = "score";
  std::string accept = "ge";
  bool pruned = false;
  bool replacement = false;
  std::filesystem::path scores;

  /// Declares options that fill in this object and `search`.
  std::vector<CLI::Option*> add_to(CLI::App& app, SearchOptions& search);
  /// Completes `search` and returns what is asked for.
  /// Throws Error or UsageError for files that do not say what they should.
  const Search& choose(SearchOptions& search) const;

 private:
  void choose_order(SearchOptions& search) const;
};

}  // namespace soup
