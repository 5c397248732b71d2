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
  std::filesystem::path scores;  ///< file of known ones; empty: none

  /// Declares options that fill in this object and `search`.
  std::vector<CLI::Option*> add_to(CLI::App& app, SearchOptions& search);
  /// Completes `search`, but for known scores, and returns what is asked for.
  /// Throws Error or UsageError for a file that does not say what it should.
  const Search& choose(SearchOptions& search) const;

 private:
  void choose_order(SearchOptions& search) const;
};

}  // namespace soup
