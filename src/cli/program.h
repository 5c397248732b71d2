#pragma once

#include "cli/output.h"

namespace soup {

/// Parses the command line and runs the command it names. Returns the exit
/// code; throws UsageError, Error, BrokenPipe.
int run_program(int argc, const char* const* argv);

}  // namespace soup
