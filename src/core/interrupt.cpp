#include "core/interrupt.h"

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <thread>

#include "core/log.h"
#include "core/process_tree.h"
#include "core/progress.h"

namespace soup {
namespace {

// What an interrupt has to remove belongs to the process, not to an object:
// signals are process-wide.
struct Registry {
  std::recursive_mutex mutex;
  std::set<std::string> paths;
  std::set<pid_t> children;
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
  for (const pid_t child : registry().children) signal_tree(child, SIGTERM);
  // A folder with what is in it: shards that are complete have their names.
  for (const std::string& path : registry().paths) {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
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

void remove_on_interrupt(const std::filesystem::path& path) {
  const InterruptBlock block;
  // The folder may change under a relative name.
  registry().paths.insert(std::filesystem::absolute(path).string());
}

void forget_on_interrupt(const std::filesystem::path& path) {
  const InterruptBlock block;
  registry().paths.erase(std::filesystem::absolute(path).string());
}

void end_on_interrupt(pid_t child) {
  const InterruptBlock block;
  registry().children.insert(child);
}

void forget_on_interrupt(pid_t child) {
  const InterruptBlock block;
  registry().children.erase(child);
}

}  // namespace soup
