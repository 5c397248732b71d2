#include "search/team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "search/table_evaluator.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

/// A hand that does as it is told.
class Told : public Hand {
 public:
  using Work = std::function<Outcome(const Job&, const std::stop_token&)>;

  explicit Told(Work work) : work_(std::move(work)) {}

  Outcome perform(const Job& job, const std::stop_token& stop) override {
    return work_(job, stop);
  }

 private:
  Work work_;
};

Job job(size_t index) { return {.mixture = {index}}; }

// The outcome of job(index) says index.
Outcome index_of(const Job& job, const std::stop_token& /*stop*/) {
  return PartOutcome{.seconds = static_cast<double>(job.mixture.front())};
}

int64_t count_of(const Outcome& outcome) {
  return static_cast<int64_t>(std::get<PartOutcome>(outcome).seconds);
}

std::unique_ptr<Team> team(const std::vector<Told::Work>& works) {
  std::vector<std::unique_ptr<Hand>> hands;
  for (const Told::Work& work : works) {
    hands.push_back(std::make_unique<Told>(work));
  }
  return std::make_unique<Team>(std::move(hands));
}

TEST(Team, GivesEachJobItsOutcomeWhoeverMadeIt) {
  const auto many = team({index_of, index_of, index_of});
  std::vector<Job> jobs;
  for (size_t i = 0; i < 50; ++i) jobs.push_back(job(i));
  many->want(jobs);
  for (size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(count_of(many->take(job(i))), static_cast<int64_t>(i));
  }
}

TEST(Team, MakesWhatWasNeverAnnounced) {
  const auto many = team({index_of, index_of});
  many->want({job(1), job(2)});
  EXPECT_EQ(count_of(many->take(job(7))), 7);
  EXPECT_EQ(count_of(many->take(job(1))), 1);
}

TEST(Team, WorksOnSeveralAtOnce) {
  std::atomic<int> inside = 0;
  const Told::Work meet = [&](const Job& one, const std::stop_token& stop) {
    ++inside;
    while (inside < 3) std::this_thread::yield();
    return index_of(one, stop);
  };
  const auto many = team({meet, meet, meet});
  many->want({job(0), job(1), job(2)});
  EXPECT_EQ(count_of(many->take(job(2))), 2);
}

TEST(Team, StopsWhatIsNoLongerWanted) {
  std::atomic<int> stopped = 0;
  const Told::Work stubborn = [&](const Job& one, const std::stop_token& stop) {
    if (one.mixture.front() >= 10) return index_of(one, stop);
    while (!stop.stop_requested()) std::this_thread::yield();
    ++stopped;
    throw Stopped();
    return Outcome();
  };
  {
    const auto many = team({stubborn, stubborn});
    many->want({job(1), job(2)});
    many->want({job(10), job(11)});
    EXPECT_EQ(count_of(many->take(job(11))), 11);
    EXPECT_EQ(count_of(many->take(job(10))), 10);
    many->want({job(3)});
  }
  EXPECT_LE(stopped, 3);
}

TEST(Team, WhatFailsElsewhereTheFirstHandDoesOnceMore) {
  std::atomic<int> failures = 0;
  const Told::Work failing = [&](const Job&, const std::stop_token&) {
    ++failures;
    throw Error("no memory left");
    return Outcome();
  };
  const Told::Work patient = [&](const Job& one, const std::stop_token& stop) {
    while (failures == 0) std::this_thread::yield();
    return index_of(one, stop);
  };
  const auto many = team({patient, failing});
  many->want({job(0), job(1), job(2)});
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(count_of(many->take(job(i))), static_cast<int64_t>(i));
  }
}

TEST(Team, WhatTheFirstHandFailsAtIsAFailure) {
  const Told::Work failing = [](const Job& one, const std::stop_token& stop) {
    if (one.mixture.front() == 1) throw Error("cannot be read");
    return index_of(one, stop);
  };
  const auto many = team({failing, failing});
  many->want({job(0), job(1), job(2)});
  EXPECT_EQ(count_of(many->take(job(0))), 0);
  expect_error<Error>([&] { many->take(job(1)); }, "cannot be read");
  EXPECT_EQ(count_of(many->take(job(2))), 2);
}

TEST(Team, WorkOfAHandThatIsLostIsHandedOutAgain) {
  std::atomic<int> lost = 0;
  const Told::Work losing = [&](const Job& one, const std::stop_token& stop) {
    if (lost++ < 2) throw Lost();
    return index_of(one, stop);
  };
  const Told::Work patient = [&](const Job& one, const std::stop_token& stop) {
    while (lost == 0) std::this_thread::yield();
    return index_of(one, stop);
  };
  const auto many = team({patient, losing});
  many->want({job(0), job(1), job(2), job(3)});
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(count_of(many->take(job(i))), static_cast<int64_t>(i));
  }
}

}  // namespace
}  // namespace soup
