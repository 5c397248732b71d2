#include "cli/shifts.h"

#include <nlohmann/json.hpp>

namespace soup {

Shifts::Shifts(std::span<const DatasetSpec> specs) : count_(specs.size()) {
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].shift) which_.push_back(i);
  }
}

Score Shifts::mean(std::span<const Score> scores) const {
  scores = scores.last(count_);
  Score mean = scores[which_.front()];
  mean.dataset = "mean of shifts";
  mean.value = 0;
  for (const size_t i : which_) {
    mean.value += scores[i].value / static_cast<double>(which_.size());
  }
  return mean;
}

nlohmann::ordered_json Shifts::describe(const std::filesystem::path& path,
                                        std::span<const Score> scores) const {
  const std::span own = scores.last(count_);
  std::vector<std::string> datasets;
  for (const size_t i : which_) datasets.push_back(own[i].dataset);
  return {{"kind", "mean"},
          {"path", path.string()},
          {"datasets", datasets},
          {"metric", own[which_.front()].metric},
          {"value", mean(scores).value}};
}

}  // namespace soup
