#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "search/trial.h"

namespace soup {

/// Every `step`th of the examples [begin, end) of one data set. Of what has no
/// examples there is one part, an empty one: its whole score.
struct Part {
  size_t set = 0;  ///< of the panel
  int64_t begin = 0;
  int64_t end = 0;
  bool logits = false;  ///< they are wanted, too
  int64_t step = 1;

  int64_t count() const { return (end - begin + step - 1) / step; }
  bool operator==(const Part&) const = default;
};

/// What a model says of a part. A score is made of the outcomes of all parts in
/// order, so that it does not show how they were cut.
struct PartOutcome {
  std::vector<Verdict> verdicts = {};  ///< in file order
  std::vector<float> logits = {};      ///< row-major [verdicts, classes]
  std::optional<Score> score = {};     ///< of what has no examples
  double seconds = 0;
};

/// Cuts data set `set` into about `wanted` parts of whole batches; more where
/// the outcome of one would be larger than kLargestOutcome.
std::vector<Part> cut(const Panel& panel, size_t set, int64_t wanted,
                      bool logits);

/// Throws Stopped soon after `stop` was requested.
PartOutcome look_at(const Panel& panel, const Part& part,
                    const Checkpoint& weights, const std::stop_token& stop);

/// Bytes of verdicts and logits that one message holds, about.
inline constexpr int64_t kLargestOutcome = int64_t{16} << 20;

/// Verdicts as columns, little-endian, by example; base64: `labels` and
/// `predictions` int32, `margins` and `logits` float32, `terms` float64.
nlohmann::ordered_json part_outcome_json(const PartOutcome& outcome);
/// Throws Error when it is none of `part`.
PartOutcome read_part_outcome(const Panel& panel, const Part& part,
                              const nlohmann::ordered_json& json,
                              const std::string& where);
nlohmann::ordered_json part_json(const Part& part);
/// Throws Error when it is no part of the panel's data.
Part read_part(const Panel& panel, const nlohmann::ordered_json& json,
               const std::string& where);

}  // namespace soup
