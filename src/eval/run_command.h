#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

namespace soup {

/// What a command printed and how it ended.
struct CommandResult {
  std::string last_line;  ///< of its standard output, without white space
  int status = 0;         ///< as of waitpid
  bool timed_out = false;
  bool cut = false;  ///< the last line is longer than what is kept of it
};

struct CommandLimits {
  double seconds = 0;              ///< it may take; 0: any
  std::filesystem::path log = {};  ///< gets its standard error; empty: ours
  std::stop_token stop = {};       ///< ends it too
  std::vector<std::string> hidden = {};  ///< variables that it does not see
};

/// Runs `command` with /bin/sh and waits for it; there is no standard input.
/// One that takes too long is ended with all that it started: SIGTERM, five
/// seconds later SIGKILL; an interrupt ends it, too. Throws Error when it
/// cannot be started.
CommandResult run_command(const std::string& command,
                          const CommandLimits& limits = {});

/// `text` as one word of a shell command.
std::string shell_quote(const std::string& text);

}  // namespace soup
