#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "core/store.h"

namespace soup {

/// Tells in a store that this process lives, from its start on, and hears what
/// is no longer wanted of it.
class Pulse {
 public:
  /// `rank`: of this process, above 0. `store` outlives it.
  Pulse(Store& store, int64_t rank);
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  Store& store() const { return store_; }
  int64_t rank() const { return rank_; }
  const std::string& token() const { return token_; }
  /// Stops when job `number` is no longer wanted or the store has gone.
  std::stop_token watch(int64_t number);

 private:
  void beat(const std::stop_token& end);

  Store& store_;
  int64_t rank_;
  std::string token_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  int64_t number_ = 0;
  std::stop_source unwanted_;
  std::jthread thread_;  ///< last: it uses all above
};

}  // namespace soup
