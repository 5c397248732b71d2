#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace soup {

/// Threads that wait for work without turning the processor. They live on
/// between pieces of work because libraries below keep buffers per thread.
class Crew {
 public:
  /// `size` threads, the caller of run() among them (at least 1).
  explicit Crew(int size);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// Calls `work(i)` for i in [0, count), each once, and waits. After an
  /// exception no further i is begun, and the first one is thrown again here.
  /// Not thread-safe.
  void run(int64_t count, const std::function<void(int64_t)>& work);

 private:
  void wait_for_work();
  void take_part();

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void(int64_t)>* work_ = nullptr;
  int64_t next_ = 0;
  int64_t count_ = 0;
  int busy_ = 0;  ///< threads that may still be at work
  uint64_t round_ = 0;
  bool closing_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace soup
