#pragma once

#include <ATen/Parallel.h>

namespace soup::testing {

/// While it lives libtorch's operations have one thread, as within a parallel
/// region.
class OneThread {
 public:
  OneThread() { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_ = at::get_num_threads();
};

}  // namespace soup::testing
