#pragma once

namespace soup::testing {

/// While it lives libtorch's operations have one thread, as within a parallel
/// region.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace soup::testing
