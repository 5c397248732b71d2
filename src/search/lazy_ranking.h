#pragma once

#include <map>
#include <memory>
#include <vector>

#include "search/run.h"

namespace soup {

/// The order of a run's checkpoints by their scores, ties in natural order, as
/// far as it is asked for. A sample of the examples says with whom to begin;
/// then every checkpoint is compared with the last of the best so far, and
/// scored fully only where it may rank before it.
class LazyRanking {
 public:
  explicit LazyRanking(Run& run);

  /// Takes the `most` best of rest() out of it, best first.
  std::vector<size_t> take(size_t most);
  /// Those that are left: each is certain to rank behind all that were taken.
  /// The likely best come first.
  const std::vector<size_t>& rest() const { return rest_; }
  /// What a checkpoint that was taken is on its own.
  const Incumbent& single(size_t index) const { return *known_.at(index); }

 private:
  using Known = std::shared_ptr<const Incumbent>;

  void sample();
  void look_ahead(std::span<const size_t> next, const std::vector<size_t>& best,
                  size_t most);
  Job race(size_t index, size_t against) const;
  void examine(size_t index, const std::vector<size_t>& best, size_t most);
  bool comes_before(size_t a, size_t b) const;
  void insert(size_t index, std::vector<size_t>& best) const;

  Run& run_;
  std::unique_ptr<Progress> progress_;
  std::vector<size_t> rest_;
  std::map<size_t, Known> known_;  ///< scored on every example
};

}  // namespace soup
