#pragma once

#include <span>

#include "soup/eval.h"

namespace soup {

/// What `logits` say of an example whose true class is `label`.
Verdict judge(std::span<const float> logits, int32_t label, int64_t example,
              const Metric& metric);

}  // namespace soup
