#include "cli/pair.h"

#include <algorithm>
#include <utility>

#include "core/binomial.h"

namespace soup {

Pair::Pair(std::string a, std::string b, std::string dataset,
           std::string metric)
    : paths_{std::move(a), std::move(b)},
      dataset_(std::move(dataset)),
      metric_(std::move(metric)) {}

Watch Pair::watch(size_t which) {
  return [&right = right_.at(which)](std::span<const Verdict> batch) {
    for (const Verdict& verdict : batch) {
      const auto i = static_cast<size_t>(verdict.example);
      right.resize(std::max(right.size(), i + 1));
      right[i] = verdict.term > 0;
    }
    return true;
  };
}

int64_t Pair::only(size_t which) const {
  const std::vector<bool>& own = right_.at(which);
  const std::vector<bool>& other = right_.at(1 - which);
  int64_t count = 0;
  for (size_t i = 0; i < own.size(); ++i) count += own[i] && !other.at(i);
  return count;
}

nlohmann::ordered_json Pair::describe() const {
  const int64_t only_a = only(0);
  const int64_t only_b = only(1);
  const auto count = static_cast<int64_t>(right_[0].size());
  return {{"kind", "compare"},
          {"a", paths_[0]},
          {"b", paths_[1]},
          {"dataset", dataset_},
          {"metric", metric_},
          {"count", count},
          {"only_a", only_a},
          {"only_b", only_b},
          {"gain",
           static_cast<double>(only_b - only_a) / static_cast<double>(count)},
          {"p_value", mcnemar_p_value(only_a, only_b)}};
}

}  // namespace soup
