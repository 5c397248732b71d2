#include "search/team.h"

#include <algorithm>

#include "core/log.h"
#include "soup/error.h"
#include "soup/eval.h"

namespace soup {

Team::Team(std::vector<std::unique_ptr<Hand>> hands)
    : hands_(std::move(hands)) {
  for (size_t i = 0; i < hands_.size(); ++i) {
    threads_.emplace_back([this, i](const std::stop_token& closing) {
      work(*hands_[i], i == 0, closing);
    });
  }
}

Team::~Team() {
  want({});
  // All at once: threads are joined one by one.
  for (std::jthread& thread : threads_) thread.request_stop();
}

Team::TaskPtr Team::find(const Job& job) const {
  const auto found =
      std::find_if(tasks_.begin(), tasks_.end(),
                   [&](const TaskPtr& task) { return task->job == job; });
  return found == tasks_.end() ? nullptr : *found;
}

void Team::want(const std::vector<Job>& jobs) {
  const std::lock_guard lock(mutex_);
  std::list<TaskPtr> wanted;
  for (const Job& job : jobs) {
    TaskPtr task = find(job);
    wanted.push_back(task ? task : std::make_shared<Task>(Task{.job = job}));
    tasks_.remove(task);
  }
  for (const TaskPtr& task : tasks_) task->stop.request_stop();
  tasks_ = std::move(wanted);
  changed_.notify_all();
}

void Team::need(const std::vector<Job>& jobs) {
  const std::lock_guard lock(mutex_);
  const auto others = tasks_.begin();
  for (const Job& job : jobs) {
    if (find(job)) continue;
    tasks_.insert(others, std::make_shared<Task>(Task{.job = job}));
  }
  changed_.notify_all();
}

Outcome Team::take(const Job& job) {
  need({job});
  std::unique_lock lock(mutex_);
  const TaskPtr task = find(job);
  changed_.wait(lock, [&] { return task->outcome || task->failure; });
  tasks_.remove(task);
  if (task->failure) std::rethrow_exception(task->failure);
  return *std::move(task->outcome);
}

void Team::work(Hand& hand, bool first, const std::stop_token& closing) {
  try {
    work_on(hand, first, closing);
    hand.dismiss();
  } catch (const std::exception& e) {
    log::warn(message_of(e) + "; the others go on without");
  }
}

void Team::work_on(Hand& hand, bool first, const std::stop_token& closing) {
  while (hand.wait_ready(closing)) {
    try {
      while (const TaskPtr task = next(first, closing)) {
        perform(hand, first, task);
      }
      return;
    } catch (const Lost&) {
      continue;
    }
  }
}

Team::TaskPtr Team::next(bool first, const std::stop_token& closing) {
  std::unique_lock lock(mutex_);
  TaskPtr found;
  changed_.wait(lock, closing, [&] {
    for (const TaskPtr& task : tasks_) {
      if (task->begun || (task->first_only && !first)) continue;
      found = task;
      return true;
    }
    return false;
  });
  if (closing.stop_requested()) return nullptr;
  if (found) found->begun = true;
  return found;
}

void Team::give_back(const TaskPtr& task, bool first_only) {
  const std::lock_guard lock(mutex_);
  task->begun = false;
  task->first_only = task->first_only || first_only;
  changed_.notify_all();
}

void Team::perform(Hand& hand, bool first, const TaskPtr& task) {
  try {
    Outcome outcome = hand.perform(task->job, task->stop.get_token());
    const std::lock_guard lock(mutex_);
    task->outcome = std::move(outcome);
    changed_.notify_all();
  } catch (const Stopped&) {
    // Nobody waits for it.
  } catch (const Lost&) {
    give_back(task, false);
    throw;
  } catch (const std::exception& e) {
    if (task->stop.stop_requested()) return;
    if (!first) {
      log::warn(message_of(e) + "; it is done once more here");
      give_back(task, true);
      return;
    }
    const std::lock_guard lock(mutex_);
    task->failure = std::current_exception();
    changed_.notify_all();
  }
}

}  // namespace soup
