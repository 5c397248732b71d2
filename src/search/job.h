#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <stop_token>
#include <string>
#include <variant>

#include "search/former.h"
#include "search/part.h"
#include "search/trial.h"
#include "soup/search.h"

namespace soup {

/// One evaluation. What it finds depends on nothing else, wherever it is made.
struct Job {
  Mixture mixture;
  /// Of distinct ingredients; empty: each as often as it comes. Where there is
  /// no incumbent.
  std::vector<double> weights = {};
  Part part = {};  ///< looked at where there is no incumbent
  std::shared_ptr<const Incumbent> incumbent = {};  ///< to be compared with
  Criterion criterion = {};
  Forecast forecast = {};

  bool operator==(const Job&) const = default;
};

/// A Trial of a comparison.
using Outcome = std::variant<PartOutcome, Trial>;

/// Who makes evaluations: one at a time.
class Hand {
 public:
  virtual ~Hand() = default;
  /// Waits until jobs can be given; false where `stop` came first.
  virtual bool wait_ready(const std::stop_token& /*stop*/) { return true; }
  /// Throws Stopped soon after `stop` was requested, Lost when it is not heard
  /// any more, and whatever the evaluation throws.
  virtual Outcome perform(const Job& job, const std::stop_token& stop) = 0;
  /// There are no more jobs.
  virtual void dismiss() {}
};

/// Thrown where a hand is not heard any more. It may be ready again later.
struct Lost {};

/// Evaluates in this process.
class LocalHand : public Hand {
 public:
  /// All must outlive it.
  LocalHand(const Panel& panel, std::span<const CheckpointPtr> checkpoints,
            const SearchOptions& options)
      : panel_(panel),
        former_(checkpoints, options.recipe, options.batch_norm),
        full_(options.full) {}

  Outcome perform(const Job& job, const std::stop_token& stop) override;
  /// Performs a comparison and tells `progress` of every example. Meanwhile the
  /// weights of `next`, which is likely to come next, are formed; empty: none.
  Trial compare(const Job& job, const Mixture& next,
                const std::stop_token& stop, Progress& progress);
  Former& former() { return former_; }
  const Former& former() const { return former_; }

 private:
  Panel panel_;
  Former former_;
  bool full_;
};

/// A job and what it found, as processes tell each other. What is read may be
/// anything: Error is thrown where it does not fit the panel. `where` names it
/// in messages.
nlohmann::ordered_json job_json(const Panel& panel, const Job& job);
Job read_job(const Panel& panel, size_t checkpoints,
             const nlohmann::ordered_json& json, const std::string& where);
nlohmann::ordered_json outcome_json(const Panel& panel, const Job& job,
                                    const Outcome& outcome);
Outcome read_outcome(const Panel& panel, const Job& job,
                     const nlohmann::ordered_json& json,
                     const std::string& where);

}  // namespace soup
