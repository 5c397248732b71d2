#pragma once

#include <vector>

#include "soup/eval.h"

namespace soup::testing {

/// What `weights` say of every example of `evaluator`, as holds_logits() has
/// it.
inline CheckpointPtr kept_logits(Evaluator& evaluator,
                                 const Checkpoint& weights) {
  std::vector<float> all;
  EvaluateOptions options;
  options.logits = [&](std::span<const Verdict>, std::span<const float> rows) {
    all.insert(all.end(), rows.begin(), rows.end());
  };
  evaluator.look(weights, options);
  return make_logits(weights.path(), all, evaluator);
}

}  // namespace soup::testing
