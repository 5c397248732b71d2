#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "core/launch.h"
#include "soup/search.h"

namespace soup {

/// After EvalArguments::add_to, for a command that spreads over devices.
void describe_devices(CLI::App& app);

/// What a command scores with.
struct JudgeArguments {
  const EvalArguments& eval;
  bool spreads = false;  ///< over devices and the processes of a launcher
  /// The first judge chooses, with guards; what is for --test is scored by the
  /// first device. Else all judges score alike.
  bool chooses = false;
  std::filesystem::path folder = ".";  ///< for candidates of --eval-cmd
  std::filesystem::path log = {};      ///< of --eval-cmd; empty: stderr
};

/// Evaluators on one device or several, in one process or in all that a
/// launcher started.
class Judges {
 public:
  /// Reads what a launcher says, where the command can make use of it.
  explicit Judges(const JudgeArguments& arguments);

  /// True in the process that prints and writes; the others evaluate for it.
  bool leads() const { return launch_.rank == 0; }
  /// Finds the other processes, then loads data and models. `specs`: as of
  /// EvalArguments::specs(). `like`: one of the checkpoints.
  void make(std::span<const DatasetSpec> specs, const Checkpoint& like);

  bool has_held_out() const;
  /// Those of the first device. The first chooses. Where it is a mean, its sets
  /// follow; then come those of --guard, then those of --test.
  std::span<const std::unique_ptr<Evaluator>> all() const {
    return devices_.front();
  }
  /// Those of the first device that every device and process has: all, or the
  /// one that chooses and its guards.
  std::vector<Evaluator*> panel() const { return panel_of(devices_.front()); }
  /// The first device, as EvaluatorOptions has it.
  const std::string& device() const { return device_; }
  Others others() const;
  /// Evaluates for the search or command of rank 0 until it has ended.
  void take_part(std::string_view command,
                 std::span<const CheckpointPtr> checkpoints,
                 SearchOptions options);

 private:
  using Evaluators = std::vector<std::unique_ptr<Evaluator>>;

  void connect();
  Evaluators make_on(const std::string& device,
                     std::span<const DatasetSpec> specs, const Checkpoint& like,
                     int64_t number);
  int jobs() const;
  size_t first_guard() const;
  std::vector<Evaluator*> panel_of(const Evaluators& evaluators) const;

  JudgeArguments arguments_;
  Launch launch_;
  std::string device_;
  std::unique_ptr<Store> store_;
  std::optional<Participant> participant_;
  std::vector<Evaluators> devices_ = std::vector<Evaluators>(1);
};

}  // namespace soup
