#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>

#include "core/interrupt.h"
#include "core/json.h"
#include "core/launch.h"
#include "core/text.h"
#include "eval/ahead.h"
#include "eval/run_command.h"
#include "soup/error.h"
#include "soup/eval.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kPlace = "{}";

/// A file that is removed at the end, or by an interrupt.
class TemporaryFile {
 public:
  explicit TemporaryFile(fs::path path) : path_(std::move(path)) {
    remove_on_interrupt(path_);
  }
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
    forget_on_interrupt(path_);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

 private:
  fs::path path_;
};

std::string replace_all(std::string text, const std::string& with) {
  for (size_t at = 0; (at = text.find(kPlace, at)) != std::string::npos;
       at += with.size()) {
    text.replace(at, kPlace.size(), with);
  }
  return text;
}

// Processes on several machines may have the same id.
std::string owner(int64_t number) {
  const std::string pid = std::to_string(getpid());
  return number == 0 ? pid : pid + "-" + std::to_string(number);
}

/// Scores by a command of the user's.
class ByCommand : public Evaluator {
 public:
  explicit ByCommand(const CommandOptions& options)
      : options_(options),
        // The name says whose it is, should we be killed.
        candidate_(options.folder / (".soup-candidate-" +
                                     owner(options.number) + ".safetensors")) {}

  const std::string& dataset() const override { return name_; }
  int64_t examples() const override { return 0; }
  bool counts() const override { return false; }
  bool higher_is_better() const override { return !options_.lower_is_better; }
  std::map<std::string, std::string> identity() const override {
    return {{"command", options_.command},
            {"direction", options_.lower_is_better ? "lower is better"
                                                   : "higher is better"}};
  }

  void look_ahead(std::span<const Checkpoint* const> weights) override {
    if (options_.jobs < 2) return;
    std::vector<fs::path> files;
    for (const Checkpoint* one : weights) {
      if (one->format() != "memory") files.push_back(one->path());
    }
    ahead_ = std::make_unique<Ahead>(
        files, options_.jobs,
        [this](const fs::path& file, const std::stop_token& stop) {
          return score(file, stop);
        });
  }

  std::optional<Score> evaluate(const Checkpoint& weights,
                                const EvaluateOptions& options) override {
    const Score made = score_of(weights, options.stop);
    if (options.progress != nullptr) options.progress->add(1);
    return made;
  }

 private:
  Score score_of(const Checkpoint& weights, const std::stop_token& stop) const {
    if (weights.format() != "memory") {
      std::optional<Score> known;
      if (ahead_) known = ahead_->take(weights.path());
      return known ? *known : score(weights.path(), stop);
    }
    const TemporaryFile guard(candidate_);
    save_checkpoint(weights, candidate_, weights.metadata(), {.force = true});
    return score(candidate_, stop);
  }

  Score score(const fs::path& checkpoint, const std::stop_token& stop) const {
    const Clock::time_point start = Clock::now();
    // The processes of a launcher are ours, not its own.
    const CommandResult result = run_command(
        replace_all(options_.command, shell_quote(checkpoint.string())),
        {.seconds = options_.time_limit,
         .log = options_.log,
         .stop = stop,
         .hidden = size_variables()});
    if (result.timed_out) {
      fail("took longer than " + seconds_text() + " on " + checkpoint.string());
    }
    check_status(result.status);
    if (result.cut) fail("its last line is too long for a score");
    Score made{.dataset = name_,
               .metric = name_,
               .correct = {},
               .higher_is_better = !options_.lower_is_better};
    parse(result.last_line, made);
    made.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return made;
  }

  void check_status(int status) const {
    if (WIFSIGNALED(status)) {
      fail("was ended by signal " + std::to_string(WTERMSIG(status)));
    }
    if (WEXITSTATUS(status) != 0) {
      fail("failed with exit code " + std::to_string(WEXITSTATUS(status)));
    }
  }

  void parse(const std::string& line, Score& score) const {
    if (line.starts_with('{')) {
      parse_object(line, score);
    } else {
      char* end = nullptr;
      score.value = std::strtod(line.c_str(), &end);
      if (line.empty() || *end != '\0') {
        fail("its last line is no number: '" + printable(line.substr(0, 80)) +
             "'");
      }
    }
    if (std::isnan(score.value)) fail("its score is not a number (nan)");
    // What diverged is the worst there is; nothing is the best.
    if (std::isinf(score.value) &&
        (score.value > 0) != options_.lower_is_better) {
      fail("its score is infinitely good");
    }
  }

  void parse_object(const std::string& line, Score& score) const {
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (object.is_discarded()) {
      fail("its last line is no JSON: '" + printable(line.substr(0, 80)) + "'");
    }
    if (!object.contains("value")) fail("its last line has no key 'value'");
    if (!object["value"].is_number()) {
      fail("its score is not a number (" + object["value"].dump() + ")");
    }
    score.value = object["value"].get<double>();
    if (!object.contains("count")) return;
    if (!object["count"].is_number_unsigned()) {
      fail("its count is no number of examples (" + object["count"].dump() +
           ")");
    }
    score.count = object["count"].get<int64_t>();
  }

  [[noreturn]] void fail(const std::string& what) const {
    const std::string more =
        options_.log.empty()
            ? ""
            : "; its standard error is in " + options_.log.string();
    throw Error("--eval-cmd '" + options_.command + "': " + what + more);
  }

  std::string seconds_text() const {
    return plain_number(options_.time_limit).dump() + " s (--eval-timeout)";
  }

  std::string name_ = "eval-cmd";
  CommandOptions options_;
  fs::path candidate_;
  std::unique_ptr<Ahead> ahead_;  ///< last: its threads use all above
};

}  // namespace

std::unique_ptr<Evaluator> make_command_evaluator(
    const CommandOptions& options) {
  if (options.command.find(kPlace) == std::string::npos) {
    throw UsageError("--eval-cmd: '" + options.command +
                     "' has no {} for the checkpoint's path");
  }
  return std::make_unique<ByCommand>(options);
}

}  // namespace soup
