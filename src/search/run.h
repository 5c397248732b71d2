#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "search/journal.h"
#include "search/trial.h"
#include "soup/search.h"

namespace soup {

/// Indices of checkpoints in the order of their sum; one that counts twice is
/// in it twice.
using Mixture = std::vector<size_t>;

/// The evaluations of one run of a search. What its journal holds already is
/// taken from there; all else is evaluated, journaled and synced before it
/// counts.
class Run {
 public:
  /// Throws Error when the journal in options.run_dir is of other inputs,
  /// naming what changed.
  Run(std::string_view search, std::span<const CheckpointPtr> checkpoints,
      Evaluator& evaluator, const SearchOptions& options);

  Evaluator& evaluator() const { return evaluator_; }
  const SearchOptions& options() const { return options_; }
  const Checkpoint& checkpoint(size_t index) const {
    return *checkpoints_[index];
  }
  size_t size() const { return checkpoints_.size(); }

  /// Scores one checkpoint on every example.
  Incumbent score(size_t index, Progress& progress);
  /// Compares `mixture` with the incumbent. `form` gives its weights and is
  /// called only when they must be looked at. `candidate` comes with step and
  /// path, is completed, and is reported.
  Trial compare(Candidate candidate, const Mixture& mixture,
                const std::function<const Checkpoint&()>& form,
                const Incumbent& incumbent, const Criterion& criterion,
                Progress& progress);
  /// Notes what was chosen.
  void finish(const Mixture& mixture, const Score& score);

 private:
  std::optional<nlohmann::ordered_json> replay(std::string_view kind,
                                               const Mixture& mixture);
  void append(std::string_view kind, const Mixture& mixture,
              const nlohmann::ordered_json& record);
  void describe(const Trial& trial, const Incumbent& incumbent,
                Candidate& candidate) const;

  std::span<const CheckpointPtr> checkpoints_;
  Evaluator& evaluator_;
  const SearchOptions& options_;
  std::optional<Journal> journal_;
};

}  // namespace soup
