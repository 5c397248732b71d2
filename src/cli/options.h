#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "soup/checkpoint.h"
#include "soup/data.h"
#include "soup/eval.h"
#include "soup/recipe.h"

/// Options that several commands share, each group declared by its add_to.
namespace soup {

/// Which state dict of a file is taken.
void add_open_options(CLI::App& app, OpenOptions& options);
/// For commands that mix nothing: what wrappers put into names may stay.
void add_prefix_option(CLI::App& app, OpenOptions& options);
/// The dtype of the floats of an output.
void add_dtype_option(CLI::App& app, std::string& dtype);

/// `CKPT...` and what is taken from the files.
struct CheckpointArguments {
  std::vector<std::string> paths;
  CollectOptions options;

  void add_to(CLI::App& app);
  /// Opens them; `-` reads paths from standard input.
  std::vector<CheckpointPtr> collect() const;
};

/// Which tensors are mixed and into what.
struct MixArguments {
  Recipe recipe;  ///< without ingredients
  std::string ints = "equal";

  void add_to(CLI::App& app);
  /// The recipe the options describe, `open` included.
  Recipe make(const OpenOptions& open) const;
};

/// Where weights are written.
struct OutputArguments {
  std::filesystem::path out = "soup.safetensors";
  std::string shard_size = "5GB";
  bool force = false;

  void add_to(CLI::App& app);
  /// `first`: the ingredient whose configuration and tokenizer go with a
  /// folder.
  WriteOptions write_options(const std::filesystem::path& first = {}) const;
  /// Reports before any work what would fail at its end.
  void check() const;
};

/// What a command that mixes can do with its recipe.
struct RecipeArguments {
  std::filesystem::path recipe_out;
  bool dry_run = false;

  void add_to(CLI::App& app);
  /// Reports before any work what would fail at its end.
  void check(const OutputArguments& output) const;
  /// Writes --recipe-out where it was asked for.
  void write(const Recipe& recipe) const;
};

/// Checks of an option's number, finite or not.
CLI::Validator positive_number();
CLI::Validator not_negative();

/// "5GB", "512MiB" or "1000" as bytes. Throws UsageError.
int64_t parse_size(const std::string& text);

/// Where decoded pictures are kept: the user's cache, if nothing is said.
void add_cache_options(CLI::App& app, PictureCache& cache);

/// Where a soup's statistics of BatchNorm come from.
struct BatchNormArguments {
  std::string statistics = "average";
  std::string data;  ///< a data set's name, spec or folder

  void add_to(CLI::App& app);
  /// What to recompute them from; nullopt: they are averaged. `eval` says where
  /// data sets lie.
  /// Throws UsageError when none is given, or one that is for --test.
  std::optional<DatasetSpec> spec(const struct EvalArguments& eval) const;
};

/// Held-out data and how to score on it.
struct EvalArguments {
  std::vector<std::string>
      val;  ///< NAME or, where there are shares, NAME=SHARE
  std::vector<std::string> guard;  ///< declared by commands that choose
  std::vector<std::string> test;
  std::filesystem::path data;
  EvaluatorOptions options;
  CommandOptions by_command;  ///< --eval-cmd
  int64_t skip_bad = 0;       ///< pictures of a data set
  bool has_shares = false;

  /// `search`: with --test, and a single --val.
  void add_to(CLI::App& app, bool search);
  /// After add_to: several --val, each with its share in their mean.
  void allow_shares(CLI::App& app);
  /// What scores are of, as they say it themselves.
  std::string metric() const;
  /// Those of --val, 1 where none is given. Throws UsageError.
  std::vector<double> shares() const;
  /// --val's sets first, then --guard's, then --test's.
  /// Throws UsageError when one of them is in two of these, or when neither
  /// --val nor
  /// --eval-cmd is given and `required`.
  std::vector<DatasetSpec> specs(bool required) const;
};

}  // namespace soup
