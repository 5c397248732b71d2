#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <span>
#include <string_view>

#include "cli/output.h"

namespace soup {

/// A command in the making: its constructor declares options on a CLI::App and
/// binds them to its members.
class Task {
 public:
  virtual ~Task() = default;
  /// Runs after parsing. Returns the exit code (0 or 1); other failures throw.
  virtual int run(const Output& output) = 0;
  /// True where the processes of a launcher work together; else only that of
  /// rank 0 does.
  virtual bool spreads() const { return false; }
};

/// A row of the table of commands.
struct Command {
  std::string_view name;
  std::string_view summary;
  std::string_view examples;  ///< shown below the options of --help
  std::unique_ptr<Task> (*make)(CLI::App& app);
};

std::span<const Command> commands();

std::unique_ptr<Task> make_uniform(CLI::App& app);
std::unique_ptr<Task> make_greedy(CLI::App& app);
std::unique_ptr<Task> make_learned(CLI::App& app);
std::unique_ptr<Task> make_ensemble(CLI::App& app);
std::unique_ptr<Task> make_stock(CLI::App& app);
std::unique_ptr<Task> make_trajectory(CLI::App& app);
std::unique_ptr<Task> make_interpolate(CLI::App& app);
std::unique_ptr<Task> make_eval(CLI::App& app);
std::unique_ptr<Task> make_mix(CLI::App& app);
std::unique_ptr<Task> make_inspect(CLI::App& app);
std::unique_ptr<Task> make_diff(CLI::App& app);
std::unique_ptr<Task> make_convert(CLI::App& app);
std::unique_ptr<Task> make_batchnorm(CLI::App& app);
std::unique_ptr<Task> make_verify(CLI::App& app);
std::unique_ptr<Task> make_list(CLI::App& app);

}  // namespace soup
