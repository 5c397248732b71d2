#include "eval/projection.h"

#include <algorithm>
#include <cmath>

#include "soup/error.h"

namespace soup {

Projection::Projection(std::vector<std::vector<int32_t>> outputs, int64_t width,
                       const std::string& where)
    : outputs_(std::move(outputs)),
      classes_(outputs_.empty() ? width : std::ssize(outputs_)) {
  for (const auto& of_class : outputs_) {
    const int32_t most = *std::max_element(of_class.begin(), of_class.end());
    if (most < width) continue;
    throw Error(where + ": its classes are outputs up to " +
                std::to_string(most) + " of the head, but the model has " +
                std::to_string(width));
  }
}

void Projection::apply(std::span<const float> row,
                       std::span<float> logits) const {
  if (outputs_.empty()) {
    std::copy(row.begin(), row.end(), logits.begin());
    return;
  }
  for (size_t c = 0; c < outputs_.size(); ++c) {
    float most = row[static_cast<size_t>(outputs_[c].front())];
    for (const int32_t output : outputs_[c]) {
      const float value = row[static_cast<size_t>(output)];
      if (std::isnan(value) || value > most) most = value;
      if (std::isnan(most)) break;
    }
    logits[c] = most;
  }
}

}  // namespace soup
