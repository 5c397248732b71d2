#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "search/job.h"

namespace soup {

/// Several hands at work on the jobs that a search will ask for next. Each
/// outcome is that of its job alone, so what a search finds does not depend on
/// how many hands there are, which made what, or what was made in vain.
class Team {
 public:
  /// The first hand never leaves: what fails elsewhere it does once more.
  explicit Team(std::vector<std::unique_ptr<Hand>> hands);
  /// Stops what is going on and dismisses all.
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int64_t size() const { return std::ssize(hands_); }
  /// These will be taken next, in this order, as far as can be told. All others
  /// are no longer wanted.
  void want(const std::vector<Job>& jobs);
  /// These will be taken next, too, before all others.
  void need(const std::vector<Job>& jobs);
  /// Waits for the outcome of `job`. Throws what the first hand threw.
  Outcome take(const Job& job);

 private:
  /// A job that was asked for.
  struct Task {
    Job job;
    bool begun = false;
    bool first_only = false;  ///< it failed with another hand
    std::stop_source stop = {};
    std::optional<Outcome> outcome = {};
    std::exception_ptr failure = {};
  };
  using TaskPtr = std::shared_ptr<Task>;

  void work(Hand& hand, bool first, const std::stop_token& closing);
  void work_on(Hand& hand, bool first, const std::stop_token& closing);
  TaskPtr next(bool first, const std::stop_token& closing);
  void perform(Hand& hand, bool first, const TaskPtr& task);
  void give_back(const TaskPtr& task, bool first_only);
  TaskPtr find(const Job& job) const;

  std::vector<std::unique_ptr<Hand>> hands_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<TaskPtr> tasks_;           ///< wanted, in order
  std::vector<std::jthread> threads_;  ///< last: they use all above
};

}  // namespace soup
