#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "search/run.h"

namespace soup {

/// A soup that changes step by step, each step a comparison with what it was.
class Walk {
 public:
  /// `steps`: full evaluations it may take, for the progress bar. `seed`: of
  /// its order, where there are several.
  Walk(Run& run, int64_t steps, std::optional<uint64_t> seed);

  /// For the progress bar: evaluations that are to come, beyond those that the
  /// constructor was told of.
  void expect(int64_t steps);
  /// Begins with `mixture`; `known`: what it is known to be.
  void start(Mixture mixture, std::optional<Incumbent> known);

  /// What one step tries.
  struct Step {
    size_t index = 0;  ///< the checkpoint that comes or goes
    Mixture mixture;
    Criterion criterion = {};
    std::optional<int64_t> round = {};
    bool whole = false;  ///< no one comes or goes: another set is tried
    bool early = false;  ///< others may come before it
  };
  /// The mixture that `index` makes of the soup; nullopt: it is time to stop.
  using Change =
      std::function<std::optional<Mixture>(const Mixture& soup, size_t index)>;
  /// Compares what `change` makes of the soup so far by each of `visits`,
  /// reports it, and takes it where it is accepted. Returns those that were
  /// not.
  std::vector<size_t> visit_all(std::span<const size_t> visits,
                                const Change& change);
  /// Compares each of `sets`, as a whole, with the soup so far, reports it, and
  /// takes it where it is accepted.
  void try_sets(std::span<const Mixture> sets);
  /// The step to the first of `visits`, while those to the others are tried
  /// ahead of their turn. nullopt where `change` stops.
  std::optional<Step> prepare(std::span<const size_t> visits,
                              const Change& change, const Criterion& criterion,
                              std::optional<int64_t> round = {});
  /// Compares and reports only.
  Trial compare(const Step& step);
  void take(const Step& step, Trial trial);

  Run& run() const { return run_; }
  const SearchOptions& options() const { return run_.options(); }
  /// What the options ask of a candidate.
  Criterion criterion() const;
  const Mixture& mixture() const { return mixture_; }
  const Incumbent& incumbent() const { return *incumbent_; }
  /// The soup has as many ingredients as it may.
  bool is_full() const;
  /// A change that adds a checkpoint, until the soup is full.
  Change growth() const;

 private:
  Candidate next_line();
  Job job_of(const Step& step) const;

  Run& run_;
  std::optional<uint64_t> seed_;
  std::unique_ptr<Progress> progress_;
  int64_t step_ = 0;
  Mixture mixture_;
  std::shared_ptr<const Incumbent> incumbent_;
};

/// How a search goes through the candidates in `order`. `first`: what is known
/// of the first of them.
using Strategy = void (*)(Walk& walk, const std::vector<size_t>& order,
                          std::optional<Incumbent> first);

/// Throws UsageError where the options ask what the scores do not give.
void check_search(const Evaluator& evaluator, const SearchOptions& options);

/// What `mixture`, the soup in the end, is made of and worth. `order`: of all
/// checkpoints.
SearchResult conclude(Run& run, const Mixture& mixture, const Score& score,
                      std::vector<size_t> order);

/// Ranks the candidates, goes through them in one order or several, and
/// returns the best soup found.
SearchResult search(std::string_view name, Strategy strategy,
                    std::span<const CheckpointPtr> checkpoints,
                    Evaluator& evaluator, const SearchOptions& options);

}  // namespace soup
