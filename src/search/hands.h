#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "search/job.h"
#include "search/team.h"

namespace soup {

/// A score on all of one data set of a panel.
struct Whole {
  Mixture mixture;
  size_t set = 0;
  bool logits = false;               ///< they are wanted, too
  std::vector<double> weights = {};  ///< as those of a Job
};

/// All that evaluate for a command: this process, its further devices and other
/// processes. What is found is the same whoever they are.
class Hands {
 public:
  /// `identity`: what other processes are to be given, as of identity_of().
  /// All outlive it.
  Hands(const Panel& panel, std::span<const CheckpointPtr> checkpoints,
        const SearchOptions& options, const nlohmann::ordered_json& identity);

  Recipe recipe(const Mixture& mixture) const {
    return alone_.former().recipe(mixture);
  }
  /// How many comparisons are worth announcing where not all of them may be
  /// asked for.
  int64_t ahead() const { return team_ ? 2 * team_->size() : 2; }
  /// These will be asked for next, in this order, as far as can be told:
  /// whoever is free begins with them.
  void look_ahead(const std::vector<Job>& comparisons);
  void look_ahead(std::span<const Whole> wholes);

  /// As Evaluator::evaluate() of all examples in file order. A watch does not
  /// stop it.
  Score evaluate(Whole whole, const EvaluateOptions& options);
  /// What `mixture` says of every example, as holds_logits() has it; null where
  /// the data set has no logits.
  CheckpointPtr logits(const Mixture& mixture, size_t set, Progress* progress);
  PartOutcome look_at(const Mixture& mixture, const Part& part);
  /// Performs a comparison.
  Trial compare(const Job& job, Progress& progress);

 private:
  std::vector<Job> jobs_of(const Whole& whole) const;
  Score evaluate_together(const Whole& whole, const EvaluateOptions& options);

  std::span<const CheckpointPtr> checkpoints_;
  Panel panel_;
  LocalHand alone_;             ///< where there is no team
  std::vector<Job> expected_;   ///< of it, comparisons
  std::unique_ptr<Team> team_;  ///< last: it uses all above
};

}  // namespace soup
