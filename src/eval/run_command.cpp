#include "eval/run_command.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/interrupt.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kKept = 1 << 16;  // of the output: the last line is wanted

[[noreturn]] void fail(const std::string& command, int code) {
  throw Error("--eval-cmd '" + command +
              "': cannot be started: " + std::strerror(code));
}

// Between fork and exec: nothing that takes a lock.
[[noreturn]] void become(const char* command, int out) {
  restore_interrupts();
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // does not outlive us
  const int in = open("/dev/null", O_RDONLY);
  dup2(in, 0);
  dup2(out, 1);  // of the child, not ours
  execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
  _exit(127);
}

std::string read_tail(int fd) {
  std::string tail;
  std::array<char, 4096> block{};
  for (;;) {
    const ssize_t n = read(fd, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return tail;
    tail.append(block.data(), static_cast<size_t>(n));
    if (tail.size() > 2 * kKept) tail.erase(0, tail.size() - kKept);
  }
}

std::string last_line(const std::string& text) {
  constexpr const char* space = " \t\r\n\f\v";
  const size_t end = text.find_last_not_of(space);
  if (end == std::string::npos) return {};
  const size_t before = text.find_last_of('\n', end);
  const size_t begin =
      text.find_first_not_of(space, before == std::string::npos ? 0 : before);
  return text.substr(begin, end - begin + 1);
}

}  // namespace

CommandResult run_command(const std::string& command) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail(command, errno);
  const pid_t child = fork();
  if (child == 0) become(command.c_str(), ends[1]);
  const int code = errno;
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    fail(command, code);
  }
  CommandResult result;
  result.last_line = last_line(read_tail(ends[0]));
  close(ends[0]);
  while (waitpid(child, &result.status, 0) < 0 && errno == EINTR) {
  }
  return result;
}

std::string shell_quote(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace soup
