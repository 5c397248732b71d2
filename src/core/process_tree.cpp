#include "core/process_tree.h"

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

namespace soup {
namespace {

// A process that starts others without end is not followed without end.
constexpr size_t kMostProcesses = 10'000;

std::vector<pid_t> children_of(pid_t process) {
  const std::string folder = "/proc/" + std::to_string(process);
  std::ifstream file(folder + "/task/" + std::to_string(process) + "/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

}  // namespace

void signal_tree(pid_t process, int signal) {
  std::vector<pid_t> all = {process};
  for (size_t i = 0; i < all.size() && all.size() < kMostProcesses; ++i) {
    for (const pid_t child : children_of(all[i])) all.push_back(child);
  }
  for (const pid_t one : all) kill(one, signal);
}

}  // namespace soup
