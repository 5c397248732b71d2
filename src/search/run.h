#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "search/hands.h"
#include "search/journal.h"
#include "soup/search.h"

namespace soup {

/// What scores of ensembles say where to look.
struct Proposals {
  std::vector<Score> singles;  ///< by checkpoint
  std::vector<Mixture> sets;   ///< of checkpoints, the most promising first
};

/// The evaluations of one run of a search. What its journal holds already is
/// taken from there; all else is evaluated, journaled and synced before it
/// counts.
class Run {
 public:
  /// Throws Error when the journal in options.run_dir is of other inputs,
  /// naming what changed.
  Run(std::string_view search, std::span<const CheckpointPtr> checkpoints,
      Evaluator& evaluator, const SearchOptions& options);

  const Panel& panel() const { return panel_; }
  Panel primary() const { return {panel_.primary}; }
  const SearchOptions& options() const { return options_; }
  const Checkpoint& checkpoint(size_t index) const {
    return *checkpoints_[index];
  }
  std::span<const CheckpointPtr> checkpoints() const { return checkpoints_; }
  size_t size() const { return checkpoints_.size(); }
  Recipe recipe(const Mixture& mixture) const {
    return hands_->recipe(mixture);
  }

  /// As those of Hands.
  int64_t ahead() const { return hands_->ahead(); }
  void look_ahead(std::vector<Job> comparisons);
  void look_ahead(std::vector<Whole> wholes);
  CheckpointPtr logits(const Mixture& mixture, Progress* progress) {
    return hands_->logits(mixture, 0, progress);
  }
  /// Scores `mixture` on every example of `panel`, all of the run's or its
  /// primary only.
  Incumbent score(const Mixture& mixture, const Panel& panel,
                  Progress& progress);
  /// How many examples of `part` the checkpoint is right on, of a metric that
  /// counts them.
  int64_t sample(size_t index, const Part& part);
  /// Compares a checkpoint with another, job.incumbent, on the primary.
  Trial race(const Job& job, Progress& progress);
  /// What `propose` thinks of, which reports scores of singles as it finds
  /// them. Where the journal has it they are reported from there.
  Proposals proposals(const std::function<Proposals()>& propose);
  /// Compares a job's mixture with its incumbent. `candidate` comes with step
  /// and path, and is early where it is not its turn; it is completed and
  /// reported.
  Trial compare(Candidate candidate, const Job& job, Progress& progress);
  /// Notes what was chosen.
  void finish(const Mixture& mixture, const Score& score);

  /// The score of a mixture of which every example was looked at, or that was
  /// known from elsewhere.
  std::optional<Score> known(const Mixture& mixture) const;
  void remember(const Mixture& mixture, const Score& score) {
    known_[mixture] = score;
  }
  /// Of the comparison with `before` of `after`, which has the checkpoint
  /// `index` once more or less.
  Forecast forecast(const Mixture& before, const Mixture& after,
                    size_t index) const;
  /// Terms on the primary's examples, of mixtures of which every example was
  /// looked at; null where they are not known. Only kept for the estimate of
  /// the optimism.
  const std::vector<double>* terms(const Mixture& mixture) const;

 private:
  Proposals read_proposals(const nlohmann::ordered_json& record) const;
  Incumbent score_on(size_t set, const Mixture& mixture, Progress& progress);
  std::optional<nlohmann::ordered_json> replay(std::string_view kind,
                                               const Mixture& mixture);
  void append(std::string_view kind, const Mixture& mixture,
              const nlohmann::ordered_json& record);
  std::optional<Trial> replay_trial(std::string_view kind, const Job& job,
                                    Progress& progress);
  void keep(const Mixture& mixture, const Trial& trial);
  void keep_answers(const Mixture& mixture, const Answers& answers);

  std::span<const CheckpointPtr> checkpoints_;
  const SearchOptions& options_;
  Panel panel_;
  std::map<Mixture, Score> known_;
  std::map<Mixture, std::vector<double>> terms_;
  /// Margins of checkpoints of which every example was looked at.
  std::map<size_t, std::shared_ptr<const std::vector<float>>> singles_;
  std::optional<Journal> journal_;
  nlohmann::ordered_json identity_;
  std::optional<Hands> hands_;  ///< last: they use all above
};

}  // namespace soup
