#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/interrupt.h"
#include "core/json.h"
#include "core/text.h"
#include "soup/error.h"
#include "soup/eval.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

// What a command says that prints more than a score.
constexpr size_t kMaxOutput = 64 << 20;

// `text` as one word of a POSIX shell.
std::string shell_word(const std::string& text) {
  std::string word = "'";
  for (char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::string with_path(const std::string& command, const fs::path& path) {
  const std::string word = shell_word(path.string());
  std::string out = command;
  for (size_t at = out.find("{}"); at != std::string::npos;
       at = out.find("{}", at + word.size())) {
    out.replace(at, 2, word);
  }
  return out;
}

// Reads `fd` to its end.
std::string read_all(int fd, const std::string& command) {
  std::string text;
  std::array<char, 65536> block{};
  for (;;) {
    const ssize_t n = read(fd, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(block.data(), static_cast<size_t>(n));
    if (text.size() > kMaxOutput) {
      throw Error("'" + command + "': printed more than " +
                  bytes_text(kMaxOutput));
    }
  }
}

/// A child process and the pipe from its standard output.
class Child {
 public:
  /// `label` names it in messages.
  Child(std::string label, const std::string& command)
      : command_(std::move(label)) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("cannot make a pipe");
    pid_ = fork();
    if (pid_ < 0) fail("cannot start");
    if (pid_ == 0) {
      restore_interrupts();
      dup2(ends[1], STDOUT_FILENO);
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    out_ = ends[0];
  }
  ~Child() {
    close(out_);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Standard output of a command that succeeded.
  std::string output() {
    std::string text = read_all(out_, command_);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    if (WIFSIGNALED(status)) {
      throw Error("'" + command_ + "': ended by signal " +
                  std::to_string(WTERMSIG(status)));
    }
    if (WEXITSTATUS(status) != 0) {
      throw Error("'" + command_ + "': failed with exit code " +
                  std::to_string(WEXITSTATUS(status)));
    }
    return text;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error("'" + command_ + "': " + what + ": " + std::strerror(errno));
  }

  std::string command_;
  pid_t pid_ = 0;
  int out_ = -1;
};

std::string last_line(std::string text) {
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  const size_t newline = text.find_last_of('\n');
  return newline == std::string::npos ? text : text.substr(newline + 1);
}

// A number, or {"value": x, "count": n}.
Score parse_score(const std::string& line, const std::string& command) {
  const std::string where = "'" + command + "'";
  nlohmann::ordered_json json;
  try {
    json = parse_json(line, where);
  } catch (const Error&) {
    // reported below
  }
  Score score;
  if (json.is_number()) {
    score.value = json.get<double>();
  } else if (json.is_object() && json.contains("value")) {
    score.value = get_as<double>(json, "value", where);
    if (json.contains("count")) {
      score.count = get_as<int64_t>(json, "count", where);
    }
  } else {
    throw Error(where +
                ": its last line of output is no number and no "
                R"({"value": x, "count": n}: ")" +
                printable(line.substr(0, 200)) + "\"");
  }
  if (!std::isfinite(score.value))
    throw Error(where + ": its score is no number");
  return score;
}

class CommandEvaluator : public Evaluator {
 public:
  CommandEvaluator(std::string command, bool lower_is_better, fs::path folder)
      : command_(std::move(command)),
        lower_is_better_(lower_is_better),
        folder_(std::move(folder)) {
    if (command_.find("{}") == std::string::npos) {
      throw UsageError("--eval-cmd '" + command_ +
                       "': has no {} for the checkpoint's path");
    }
  }

  const std::string& dataset() const override { return command_; }
  int64_t examples() const override { return 0; }
  bool counts() const override { return false; }

  std::optional<Score> evaluate(const Checkpoint& weights,
                                const EvaluateOptions&) override {
    const auto begin = std::chrono::steady_clock::now();
    Score score = weights.format() == "memory" ? on_copy(weights)
                                               : on_file(weights.path());
    score.dataset = command_;
    score.metric = "command";
    score.higher_is_better = !lower_is_better_;
    score.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count();
    return score;
  }

 private:
  Score on_file(const fs::path& path) const {
    Child child(command_, with_path(command_, path));
    return parse_score(last_line(child.output()), command_);
  }

  // A candidate exists in memory only: the command gets a file of it.
  Score on_copy(const Checkpoint& weights) const {
    const fs::path file = folder_ / (".soup-candidate-" +
                                     std::to_string(getpid()) + ".safetensors");
    struct Removal {
      const fs::path& file;
      ~Removal() {
        std::error_code ignored;
        fs::remove(file, ignored);
        forget_on_interrupt(file);
      }
    };
    remove_on_interrupt(file);
    const Removal removal{file};
    save_checkpoint(weights, file, {{"format", "pt"}}, {.force = true});
    return on_file(file);
  }

  std::string command_;
  bool lower_is_better_;
  fs::path folder_;
};

}  // namespace

std::unique_ptr<Evaluator> make_command_evaluator(const std::string& command,
                                                  bool lower_is_better,
                                                  const fs::path& folder) {
  return std::make_unique<CommandEvaluator>(command, lower_is_better, folder);
}

}  // namespace soup
