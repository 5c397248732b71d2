#pragma once

#include <sys/types.h>

namespace soup {

/// Sends `signal` to a process and to all that it started, as far as they did
/// not leave it. They stay in our process group, so that the terminal's signals
/// reach them too.
void signal_tree(pid_t process, int signal);

}  // namespace soup
