#pragma once

#include <optional>
#include <span>
#include <vector>

#include "soup/eval.h"

namespace soup {

/// Of labels that are all right, the one with the largest logit: by it the
/// example is right when any is.
int32_t closest_label(std::span<const float> logits, int32_t first,
                      std::span<const int32_t> also);

/// What `logits` say of an example whose true class is `label`.
Verdict judge(std::span<const float> logits, int32_t label, int64_t example,
              const Metric& metric);

/// What bounds the terms of `metric`; nothing where the score is not their
/// mean.
std::optional<TermRange> term_range(const Metric& metric);

/// The score of `verdicts`, at least one, by `metric`. They are put into file
/// order first: its rounding does not depend on the order of looking.
Score score_of(std::vector<Verdict> verdicts, const Metric& metric);

}  // namespace soup
