#include "core/interrupt.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <set>
#include <string>
#include <thread>

#include "core/log.h"
#include "core/progress.h"

namespace soup {
namespace {

// What an interrupt has to remove belongs to the process, not to an object:
// signals are process-wide.
struct Registry {
  std::recursive_mutex mutex;
  std::set<std::string> files;
};

Registry& registry() {
  // Never destroyed: the waiting thread outlives static destruction.
  static auto* const instance = new Registry;
  return *instance;
}

sigset_t interrupts() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

[[noreturn]] void wait_for_interrupt() {
  const sigset_t set = interrupts();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  const InterruptBlock block;
  // Backwards: a folder comes before the files in it.
  for (auto file = registry().files.rbegin(); file != registry().files.rend();
       ++file) {
    std::remove(file->c_str());
  }
  Progress::clear_line();
  log::error("interrupted");
  _exit(128 + signal);
}

}  // namespace

void handle_interrupts() {
  const sigset_t set = interrupts();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // Writing to a closed pipe is an error of that write, not a silent death.
  signal(SIGPIPE, SIG_IGN);
  // A file-size limit likewise.
  signal(SIGXFSZ, SIG_IGN);
  std::thread(wait_for_interrupt).detach();
}

void restore_interrupts() {
  const sigset_t set = interrupts();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
}

InterruptBlock::InterruptBlock() : lock_(registry().mutex) {}

void remove_on_interrupt(const std::filesystem::path& file) {
  const InterruptBlock block;
  // The folder may change under a relative name.
  registry().files.insert(std::filesystem::absolute(file).string());
}

void forget_on_interrupt(const std::filesystem::path& file) {
  const InterruptBlock block;
  registry().files.erase(std::filesystem::absolute(file).string());
}

}  // namespace soup
