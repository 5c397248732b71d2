#pragma once

#include "cli/commands.h"
#include "cli/options.h"
#include "soup/search.h"

namespace soup {

/// What every command that searches and writes a soup has in common.
struct SoupArguments {
  CheckpointArguments checkpoints;
  std::filesystem::path base;  ///< what the others were trained from
  MixArguments mix;
  OutputArguments output;
  RecipeArguments recipe;
  EvalArguments eval;
  BatchNormArguments batch_norm;
  std::filesystem::path adapter_base;  ///< of LoRA adapters
  std::filesystem::path scores;        ///< file of known ones; empty: none
  bool spreads = false;  ///< over devices and the processes of a launcher
  SearchOptions search;  ///< filled in by the command; recipe and callbacks
                         ///< are set by run_search
};

/// Collects, checks, searches, mixes, writes and reports.
int run_search(const Search& search, const SoupArguments& arguments,
               const Output& output);

/// Plans `recipe` and prints the plan (--dry-run).
void print_plan(const Recipe& recipe,
                std::span<const Checkpoint* const> ingredients,
                const Output& output);

}  // namespace soup
