#pragma once

#include <string>

namespace soup {

/// What a command printed and how it ended.
struct CommandResult {
  std::string last_line;  ///< of its standard output, without white space
  int status = 0;         ///< as of waitpid
};

/// Runs `command` with /bin/sh and waits for it. Standard error is ours, there
/// is no standard input. Throws Error when it cannot be started.
CommandResult run_command(const std::string& command);

/// `text` as one word of a shell command.
std::string shell_quote(const std::string& text);

}  // namespace soup
