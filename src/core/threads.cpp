#include "core/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace soup {
namespace {

// Processors granted by cgroup v2, rounded up; 0 when there is no limit.
int cgroup_processors() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return static_cast<int>(std::ceil(std::stod(quota) / period));
}

}  // namespace

int default_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) threads = CPU_COUNT(&set);
  const int granted = cgroup_processors();
  if (granted > 0) threads = std::min(threads, granted);
  return std::max(threads, 1);
}

void parallel_for(int64_t count, int threads,
                  const std::function<void(int64_t)>& work) {
  if (threads <= 0) threads = default_threads();
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto loop = [&] {
    for (int64_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::jthread> others;
  const int64_t wanted = std::min<int64_t>(threads, count);
  for (int64_t t = 1; t < wanted; ++t) others.emplace_back(loop);
  loop();
  others.clear();  // joins
  if (failure) std::rethrow_exception(failure);
}

}  // namespace soup
