#include <CLI/CLI.hpp>
#include <new>

#include "cli/program.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "soup/error.h"
#include "soup/eval.h"

// Failures end here, once: 2 for a request that makes no sense as written, 1
// for everything else, 128 + SIGPIPE when the reader of our output has gone.
int main(int argc, char** argv) {
  soup::handle_interrupts();
  try {
    return soup::run_program(argc, argv);
  } catch (const soup::BrokenPipe&) {
    return 141;
  } catch (const soup::UsageError& e) {
    soup::log::error(e.what());
    return 2;
  } catch (const std::bad_alloc&) {
    soup::log::error("not enough memory");
  } catch (const std::exception& e) {
    soup::log::error(soup::message_of(e));
  }
  return 1;
}
