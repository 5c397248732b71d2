#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cli/soup_command.h"
#include "core/launch.h"

namespace soup {

/// What scores in a search: evaluators on one device or several, in one process
/// or in all that a launcher started.
class Judges {
 public:
  /// Reads what a launcher says, where the search can make use of it.
  explicit Judges(const SoupArguments& arguments);

  /// True in the process that searches, prints and writes; the others
  /// evaluate for it.
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
  /// Tells a search of guards, devices and processes.
  void complete(SearchOptions& options) const;
  /// Evaluates for rank 0 until it has ended.
  void take_part(const Search& search,
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
  std::vector<Evaluator*> guards_of(const Evaluators& evaluators) const;

  const SoupArguments& arguments_;
  Launch launch_;
  std::unique_ptr<Store> store_;
  std::optional<Pulse> pulse_;
  std::vector<Evaluators> devices_ = std::vector<Evaluators>(1);
};

}  // namespace soup
