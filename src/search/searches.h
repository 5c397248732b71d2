#pragma once

#include "soup/search.h"

/// The searches behind the rows of searches().
namespace soup {

SearchResult uniform(std::span<const CheckpointPtr> checkpoints,
                     Evaluator* evaluator, const SearchOptions& options);

SearchResult greedy(std::span<const CheckpointPtr> checkpoints,
                    Evaluator* evaluator, const SearchOptions& options);

/// Greedy, with no more of a ranking than that takes.
SearchResult greedy_lazily(std::span<const CheckpointPtr> checkpoints,
                           Evaluator& evaluator, const SearchOptions& options);

SearchResult pruned(std::span<const CheckpointPtr> checkpoints,
                    Evaluator* evaluator, const SearchOptions& options);

SearchResult replacement(std::span<const CheckpointPtr> checkpoints,
                         Evaluator* evaluator, const SearchOptions& options);

SearchResult radin(std::span<const CheckpointPtr> checkpoints,
                   Evaluator* evaluator, const SearchOptions& options);

SearchResult softmax(std::span<const CheckpointPtr> checkpoints,
                     Evaluator* evaluator, const SearchOptions& options);

SearchResult learned(std::span<const CheckpointPtr> checkpoints,
                     Evaluator* evaluator, const SearchOptions& options);

SearchResult trajectory(std::span<const CheckpointPtr> checkpoints,
                        Evaluator* evaluator, const SearchOptions& options);

}  // namespace soup
