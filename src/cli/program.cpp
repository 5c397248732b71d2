#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "cli/commands.h"
#include "core/launch.h"
#include "core/log.h"
#include "core/table.h"
#include "soup/error.h"
#include "soup/eval.h"

namespace soup {
namespace {

struct CommonOptions {
  bool json = false;
  bool table = false;
  bool verbose = false;
  bool quiet = false;
  bool no_color = false;

  void add_to(CLI::App& app) {
    CLI::Option* json_flag =
        app.add_flag("--json", json, "JSON Lines, also on a terminal");
    app.add_flag("--table", table, "a table, also in a pipe")
        ->excludes(json_flag);
    CLI::Option* verbose_flag =
        app.add_flag("-v,--verbose", verbose, "say more");
    app.add_flag("-q,--quiet", quiet, "warnings and errors only")
        ->excludes(verbose_flag);
    app.add_flag("--no-color", no_color,
                 "no colours ($NO_COLOR does the same)");
  }

  void apply() const {
    log::set_level(quiet     ? log::Level::kQuiet
                   : verbose ? log::Level::kVerbose
                             : log::Level::kNormal);
    if (no_color || std::getenv("NO_COLOR") != nullptr) log::set_color(false);
  }

  OutputMode mode() const {
    if (json) return OutputMode::kJson;
    return table ? OutputMode::kTable : OutputMode::kAuto;
  }
};

/// A command of the table, declared and ready to run.
struct Declared {
  CLI::App* app = nullptr;
  std::unique_ptr<Task> task;
  CommonOptions common;
};

std::vector<std::unique_ptr<Declared>> declare(CLI::App& program) {
  std::vector<std::unique_ptr<Declared>> all;
  for (const Command& command : commands()) {
    auto declared = std::make_unique<Declared>();
    declared->app = program.add_subcommand(std::string(command.name),
                                           std::string(command.summary));
    declared->task = command.make(*declared->app);
    declared->common.add_to(*declared->app);
    declared->app->get_formatter()->column_width(34);
    declared->app->footer("Examples:\n" + std::string(command.examples));
    all.push_back(std::move(declared));
  }
  return all;
}

// What one process can do all of a launcher's would do at the same time, and
// write to the same files.
bool works_here(const Declared& command) {
  if (command.task->spreads()) return true;
  const Launch launch = read_launch(environment());
  if (launch.size == 1) return true;
  if (launch.rank > 0) return false;
  log::info("of " + std::to_string(launch.size) + " processes of " +
            launch.launcher + " only rank 0 works: soup " +
            command.app->get_name() + " does not spread; unset " +
            launch.variable + " where each is to work for itself");
  return true;
}

// CLI11 says which argument it did not expect; we say which one is near.
[[noreturn]] void throw_unexpected(const CLI::App& program) {
  std::vector<std::string> known;
  const CLI::App* app = &program;
  for (const CLI::App* sub : program.get_subcommands()) app = sub;
  for (const CLI::Option* option : app->get_options()) {
    for (const std::string& name : option->get_lnames()) {
      known.push_back("--" + name);
    }
  }
  const std::string first = app->remaining(true).front();
  std::vector<std::string_view> names(known.begin(), known.end());
  std::string message = "unexpected argument '" + first + "'";
  const std::string near =
      first.starts_with("--")
          ? nearest_name(first.substr(0, first.find('=')), names)
          : "";
  if (!near.empty()) message += ", did you mean '" + near + "'?";
  throw UsageError(message);
}

// Mixing needs no libtorch, so its absence is no failure here.
std::string version() {
  std::string torch = "no libtorch";
  try {
    const EngineInfo info = engine_info();
    torch = "libtorch " + info.libtorch + ", CUDA " +
            (info.gpus > 0 ? "yes" : "no");
  } catch (const Error& e) {
    log::warn(e.what());
  }
  return "soup " SOUP_VERSION " (" + torch + ")\n";
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  CLI::App program("Turns many fine-tuned checkpoints into one better model.",
                   "soup");
  bool print_version = false;
  program.add_flag("--version", print_version, "print versions and exit");
  program.footer(
      "Examples:\n"
      "  soup uniform runs/ -o soup.safetensors\n"
      "  soup greedy runs/ --val fashion-mnist -o soup.safetensors\n"
      "  soup COMMAND --help");
  auto declared = declare(program);
  program.require_subcommand(0, 1);
  const Output text(OutputMode::kTable);
  if (argc > 1 && argv[1][0] != '-') {
    find_row(commands(), argv[1], "command");
  }
  try {
    program.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto subcommands = program.get_subcommands();
    text.text(subcommands.empty() ? program.help()
                                  : subcommands.front()->help("soup"));
    return 0;
  } catch (const CLI::ExtrasError&) {
    throw_unexpected(program);
  } catch (const CLI::ParseError& e) {
    throw UsageError(e.what());
  }
  if (print_version) {
    text.text(version());
    return 0;
  }
  for (const auto& command : declared) {
    if (!command->app->parsed()) continue;
    command->common.apply();
    if (!works_here(*command)) return 0;
    return command->task->run(Output(command->common.mode()));
  }
  throw UsageError("no command given; soup --help lists them");
}

}  // namespace soup
