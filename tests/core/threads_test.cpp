#include "core/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "support/expect_error.h"

namespace soup {
namespace {

TEST(ParallelFor, DoesEverythingOnce) {
  for (int threads : {1, 2, 7}) {
    std::vector<std::atomic<int>> done(1000);
    parallel_for(1000, threads, [&](int64_t i) { ++done[size_t(i)]; });
    for (const auto& n : done) EXPECT_EQ(n, 1);
  }
  parallel_for(0, 4, [](int64_t) { FAIL(); });
}

TEST(ParallelFor, ThrowsTheFirstFailureAndStops) {
  constexpr int64_t kCalls = 40'000;
  std::atomic<int64_t> calls{0};
  testing::expect_error<Error>(
      [&] {
        parallel_for(kCalls, 4, [&](int64_t i) {
          ++calls;
          if (i == 10) throw Error("ten");
          // A throw takes its time: three threads would do all the rest in
          // 10 ms. So they need 10 s, and do not if they stop.
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        });
      },
      "ten");
  EXPECT_LT(calls, kCalls);
}

TEST(DefaultThreads, IsAtLeastOneAndDeafToOpenMp) {
  const int threads = default_threads();
  EXPECT_GE(threads, 1);
  setenv("OMP_NUM_THREADS", "1000", 1);
  EXPECT_EQ(default_threads(), threads);
  unsetenv("OMP_NUM_THREADS");
}

}  // namespace
}  // namespace soup
