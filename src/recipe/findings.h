#pragma once

#include <mutex>
#include <span>
#include <vector>

#include "recipe/piece.h"
#include "soup/recipe.h"

namespace soup {

/// Gathers what the rules noticed, from several threads.
class FindingsOfPlan {
 public:
  explicit FindingsOfPlan(const Plan& plan);

  void add(size_t tensor, const Findings& found);
  /// Throws Error naming file, tensor and count of everything that is not
  /// acceptable.
  void check(std::span<const Checkpoint* const> ingredients) const;
  /// By tensor of the plan.
  std::span<const Findings> tensors() const { return tensors_; }

 private:
  const Plan& plan_;
  std::mutex mutex_;
  std::vector<Findings> tensors_;
};

}  // namespace soup
