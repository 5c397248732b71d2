#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "soup/recipe.h"

namespace soup {

/// Elements [begin, begin + n) of a tensor, at most kRun, and which part of it
/// they are in.
struct Span {
  size_t part = 0;
  int64_t begin = 0;
  size_t n = 0;
};

/// The sources of one output tensor as a whole, for the first pass of rules
/// that need norms, dot products, order statistics and the like.
/// Tensors are cut into parts; sums are taken part by part and the parts added
/// in their order, so that results do not depend on the number of threads.
class WholeTensor {
 public:
  /// Called with source and elements before they are read and when they are
  /// not needed any more.
  using Pages = std::function<void(size_t k, int64_t begin, int64_t end)>;

  /// All must outlive this object. `threads` as for parallel_for.
  WholeTensor(const PlannedTensor& tensor, std::span<const TensorData> values,
              int threads, Pages touch, Pages leave);

  const PlannedTensor& tensor() const { return tensor_; }
  int64_t count() const { return count_; }  ///< elements
  size_t parts() const;
  int threads() const { return threads_; }

  /// Elements of source k in float64. Thread-safe.
  void read(size_t k, const Span& span, double* out) const;
  /// The same of any number of elements.
  void read(size_t k, int64_t begin, int64_t n, double* out) const;

  /// Gives one thread its spans, parts as they come, the spans of one in order.
  class Worker {
   public:
    std::optional<Span> next();

   private:
    friend class WholeTensor;
    Worker(const WholeTensor& whole, std::atomic<size_t>& next)
        : whole_(whole), next_(next) {}
    ~Worker();
    void leave();

    const WholeTensor& whole_;
    std::atomic<size_t>& next_;
    std::optional<size_t> part_;
    int64_t at_ = 0;
    int64_t end_ = 0;
  };

  /// Calls `work` on every thread; its worker's next() gives all spans once.
  void run(const std::function<void(Worker&)>& work) const;
  /// Sums of `width` numbers: `adder` is called on every thread and gives what
  /// adds a span to them.
  std::vector<double> sums(
      size_t width,
      const std::function<std::function<void(const Span&, double*)>()>& adder)
      const;
  /// Calls what `worker` gave a thread with the first element of every row of
  /// `width` elements.
  void rows(
      int64_t width,
      const std::function<std::function<void(int64_t begin)>()>& worker) const;
  /// The spans of one part, in order, on the calling thread, until `work`
  /// returns false.
  void scan(size_t part, const std::function<bool(const Span&)>& work) const;

 private:
  const PlannedTensor& tensor_;
  std::span<const TensorData> values_;
  int threads_;
  int64_t count_;
  Pages touch_;
  Pages leave_;
};

}  // namespace soup
