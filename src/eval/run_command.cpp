#include "eval/run_command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>

#include "core/file.h"
#include "core/interrupt.h"
#include "core/launch.h"
#include "core/process_tree.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kKept = 1 << 16;  // of the output: the last line is wanted

[[noreturn]] void fail(const std::string& command, int code) {
  throw Error("--eval-cmd '" + command +
              "': cannot be started: " + std::strerror(code));
}

// Between fork and exec: nothing that takes a lock.
[[noreturn]] void become(const char* command, char* const* variables, int out,
                         int err) {
  restore_interrupts();
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // does not outlive us
  const int in = open("/dev/null", O_RDONLY);
  dup2(in, 0);
  dup2(out, 1);  // of the child, not ours
  if (err >= 0) dup2(err, 2);
  execle("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr),
         variables);
  _exit(127);
}

/// What a child sees of our variables.
class Variables {
 public:
  explicit Variables(const std::vector<std::string>& hidden) {
    Environment seen = environment();
    for (const std::string& name : hidden) seen.erase(name);
    for (const auto& [name, value] : seen) all_.push_back(name + "=" + value);
    for (std::string& one : all_) pointers_.push_back(one.data());
    pointers_.push_back(nullptr);
  }
  char* const* data() const { return pointers_.data(); }

 private:
  std::vector<std::string> all_;
  std::vector<char*> pointers_;
};

std::string last_line(const std::string& text) {
  constexpr const char* space = " \t\r\n\f\v";
  const size_t end = text.find_last_not_of(space);
  if (end == std::string::npos) return {};
  const size_t before = text.find_last_of('\n', end);
  const size_t begin =
      text.find_first_not_of(space, before == std::string::npos ? 0 : before);
  return text.substr(begin, end - begin + 1);
}

using Clock = std::chrono::steady_clock;

/// A child that is waited for, within limits.
class Child {
 public:
  Child(pid_t pid, int out, const CommandLimits& limits)
      : pid_(pid), out_(out), limits_(limits) {
    end_on_interrupt(pid);
  }
  ~Child() {
    forget_on_interrupt(pid_);
    close(out_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  CommandResult finish() {
    CommandResult result;
    const std::string tail = read_tail();
    result.last_line = last_line(tail);
    result.cut = dropped_ && result.last_line.size() >= kKept;
    while (!ended(result.status)) {
      check_limits();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    result.timed_out = end_.has_value() && !limits_.stop.stop_requested();
    return result;
  }

 private:
  bool limited() const {
    return limits_.seconds > 0 || limits_.stop.stop_possible();
  }

  // Without limits it waits; else it looks.
  bool ended(int& status) {
    pid_t found = 0;
    do {
      found = waitpid(pid_, &status, limited() ? WNOHANG : 0);
    } while (found < 0 && errno == EINTR);
    return found != 0;
  }

  void check_limits() {
    const Clock::duration taken = Clock::now() - start_;
    const bool late = limits_.seconds > 0 &&
                      taken > std::chrono::duration<double>(limits_.seconds);
    if (!end_ && (late || limits_.stop.stop_requested())) {
      end_ = Clock::now();
      signal_tree(pid_, SIGTERM);
    }
    if (end_ && Clock::now() - *end_ > kGrace) signal_tree(pid_, SIGKILL);
  }

  std::string read_tail() {
    std::string tail;
    std::array<char, 4096> block{};
    for (;;) {
      pollfd ready = {.fd = out_, .events = POLLIN, .revents = 0};
      const int found = poll(&ready, 1, limited() ? kLookMs : -1);
      if (limited()) check_limits();
      // What it left running keeps the pipe open.
      if (end_ && Clock::now() - *end_ > 2 * kGrace) return tail;
      if (found <= 0) continue;
      const ssize_t n = read(out_, block.data(), block.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return tail;
      tail.append(block.data(), static_cast<size_t>(n));
      if (tail.size() <= 2 * kKept) continue;
      tail.erase(0, tail.size() - kKept);
      dropped_ = true;
    }
  }

  static constexpr int kLookMs = 50;
  static constexpr std::chrono::seconds kGrace{5};

  pid_t pid_;
  int out_;
  const CommandLimits& limits_;
  bool dropped_ = false;  ///< of the output all but the end
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> end_;  ///< when it was told to end
};

int open_log(const std::filesystem::path& log) {
  if (log.empty()) return -1;
  std::error_code error;
  std::filesystem::create_directories(folder_of(log), error);
  const int fd =
      open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) {
    const int code = errno;
    throw Error(log.string() + ": cannot write: " + std::strerror(code));
  }
  return fd;
}

}  // namespace

CommandResult run_command(const std::string& command,
                          const CommandLimits& limits) {
  std::array<int, 2> ends{};
  const int log = open_log(limits.log);
  const Variables variables(limits.hidden);
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    const int code = errno;
    if (log >= 0) close(log);
    fail(command, code);
  }
  const pid_t pid = fork();
  if (pid == 0) become(command.c_str(), variables.data(), ends[1], log);
  const int code = errno;
  close(ends[1]);
  if (log >= 0) close(log);
  if (pid < 0) {
    close(ends[0]);
    fail(command, code);
  }
  return Child(pid, ends[0], limits).finish();
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
