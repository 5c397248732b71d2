#include "eval/crew.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <stdexcept>

namespace soup {
namespace {

TEST(Crew, DoesEverythingOnce) {
  for (const int size : {1, 2, 5}) {
    Crew crew(size);
    EXPECT_EQ(crew.size(), size);
    for (const int64_t count : {0, 1, 3, 1000}) {
      std::vector<std::atomic<int>> done(static_cast<size_t>(count));
      crew.run(count, [&](int64_t i) { ++done[static_cast<size_t>(i)]; });
      for (const auto& times : done) EXPECT_EQ(times, 1);
    }
  }
}

TEST(Crew, WorksAtTheSameTime) {
  Crew crew(3);
  std::atomic<int> here{0};
  // Ends only when three threads are in it at once.
  crew.run(3, [&](int64_t) {
    ++here;
    while (here < 3) std::this_thread::yield();
  });
  EXPECT_EQ(here, 3);
}

TEST(Crew, KeepsItsThreads) {
  Crew crew(2);
  std::set<std::thread::id> seen;
  std::mutex mutex;
  for (int round = 0; round < 50; ++round) {
    crew.run(8, [&](int64_t) {
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    });
  }
  EXPECT_LE(seen.size(), 2U);
}

TEST(Crew, ThrowsTheFirstExceptionAndGoesOn) {
  Crew crew(3);
  std::atomic<int64_t> begun{0};
  EXPECT_THROW(crew.run(1'000'000,
                        [&](int64_t) {
                          ++begun;
                          throw std::runtime_error("no");
                        }),
               std::runtime_error);
  EXPECT_LE(begun, 3);
  int64_t sum = 0;
  crew.run(1, [&](int64_t) { sum = 1; });
  EXPECT_EQ(sum, 1);
}

}  // namespace
}  // namespace soup
