#pragma once

#include <cstdint>
#include <functional>

namespace soup {

/// Threads worth starting: the processors this process may use (affinity and
/// cgroup), not OMP_NUM_THREADS, which launchers set to 1.
int default_threads();

/// Calls `work(i)` for i in [0, count) on `threads` threads (0: default), in
/// rising order of start. The first exception stops the rest and is thrown
/// again here.
void parallel_for(int64_t count, int threads,
                  const std::function<void(int64_t)>& work);

}  // namespace soup
