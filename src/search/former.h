#pragma once

#include <array>
#include <future>
#include <optional>
#include <span>
#include <vector>

#include "soup/checkpoint.h"
#include "soup/eval.h"
#include "soup/recipe.h"

namespace soup {

/// Indices of checkpoints in the order of their sum; one that counts twice is
/// in it twice.
using Mixture = std::vector<size_t>;

/// Its indices, each once, in the order in which they come first.
Mixture distinct(const Mixture& mixture);

/// Makes the weights of mixtures: the very bytes that their recipes give, but
/// for statistics of BatchNorm that are taken anew.
class Former {
 public:
  /// `recipe`: what is to be known of the soup but for its ingredients.
  /// `batch_norm`: as SearchOptions has it.
  Former(std::span<const CheckpointPtr> checkpoints, const Recipe& recipe,
         BatchNormStatistics* batch_norm = nullptr)
      : checkpoints_(checkpoints), recipe_(recipe), batch_norm_(batch_norm) {}

  /// The recipe of `mixture`: its distinct ingredients, weighted by how often
  /// they come.
  Recipe recipe(const Mixture& mixture) const;
  /// Weights of `mixture`, valid until something else is asked for: the same
  /// again costs nothing, one more than before a read of that one.
  /// `weights`: of its ingredients, which are distinct then; empty: they count
  /// as often as they come.
  const Checkpoint& form(const Mixture& mixture,
                         const std::vector<double>& weights = {});
  /// Begins to form `mixture`, which may be asked for next, while what form()
  /// gave last is in use. An error is thrown where it is asked for.
  void look_ahead(const Mixture& mixture);

 private:
  /// What is formed on a thread of its own.
  struct Ahead {
    Mixture mixture;
    std::future<const Checkpoint*> made;
  };

  const Checkpoint& take(const Mixture& mixture);
  const Checkpoint& weigh(const Mixture& mixture,
                          const std::vector<double>& weights);
  const Checkpoint& renew(const Checkpoint& mixed);
  const Checkpoint& whole(const Mixture& mixture, const Recipe& recipe);
  bool is_sum(const Mixture& mixture) const;
  const Checkpoint& make(const Mixture& mixture);
  const Checkpoint& mix(const Mixture& mixture);
  const Checkpoint& extend(const Mixture& mixture);

  std::span<const CheckpointPtr> checkpoints_;
  const Recipe& recipe_;
  BatchNormStatistics* batch_norm_;
  std::optional<RunningSum> sum_;
  Mixture summed_;  ///< what is in it
  /// By turns: the last one is still in use while the next is made.
  std::array<CheckpointPtr, 2> wholes_;
  size_t newest_ = 0;
  /// The same with other statistics, by turns.
  std::array<CheckpointPtr, 2> renewed_;
  size_t newest_renewed_ = 0;
  /// What was asked for last.
  struct Last {
    Mixture mixture;
    std::vector<double> weights;
    const Checkpoint* made = nullptr;
  };
  std::optional<Last> last_;
  std::optional<Ahead> ahead_;  ///< last: it uses all above
};

}  // namespace soup
