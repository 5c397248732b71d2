#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/progress.h"
#include "search/coefficients.h"
#include "soup/search.h"

namespace soup {

/// Where learning stands.
struct Lesson {
  /// The free numbers of all coefficients, and last the factor of the logits.
  std::vector<double> values;
  Adam adam = {};
};

/// Learns the coefficients of a soup by the gradient of its loss.
///
/// Only the mixed weights' gradient g is ever made: that of a coefficient is
/// the inner product of g with the ingredient's tensor, which stays where it is
/// mapped.
class Learner {
 public:
  /// Throws UsageError where nothing can be learned (one checkpoint, a rule
  /// without weights).
  Learner(std::span<const CheckpointPtr> checkpoints, GradientSource& source,
          const SearchOptions& options);

  const std::vector<Group>& groups() const { return groups_; }
  /// Equal coefficients.
  Lesson begin() const;
  /// One pass over `examples`, in batches of an order drawn from `seed`.
  /// Returns the mean loss.
  double epoch(Lesson& lesson, std::span<const int64_t> examples, uint64_t seed,
               Progress& progress) const;
  /// The soup of a lesson.
  Recipe recipe(const Lesson& lesson) const;
  /// Its weights in memory, the very ones that its recipe gives.
  CheckpointPtr soup(const Recipe& recipe) const;

  /// The loss of a lesson's soup and its slope by `Lesson::values`.
  double differentiate(const Lesson& lesson, std::span<const int64_t> which,
                       std::vector<double>& slope) const;

 private:
  double rate(int64_t step, int64_t steps) const;
  Table coefficients(const Lesson& lesson) const;
  /// <tensor of left(i), theta_i> summed over each group's tensors, by group
  /// and ingredient i.
  Table products(const std::function<const Checkpoint*(size_t)>& left) const;
  Table distances() const;

  std::span<const CheckpointPtr> checkpoints_;
  std::vector<const Checkpoint*> ingredients_;
  GradientSource& source_;
  const Learning& learning_;
  Recipe rest_;  ///< of the soup, all but coefficients
  Plan plan_;
  std::vector<Group> groups_;
  Coefficients form_;
};

}  // namespace soup
