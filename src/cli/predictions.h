#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "soup/eval.h"

namespace soup {

/// Gathers what a model said of every example, for --predictions and --logits.
class Predictions {
 public:
  /// For EvaluatorOptions::logits; valid as long as this object.
  std::function<void(std::span<const Verdict>, std::span<const float>)>
  collector();

  /// One JSON object a line: index, label, prediction, margin.
  void write_lines(const std::filesystem::path& file, bool force) const;
  /// safetensors: logits float32 [examples, classes], labels int64 [examples].
  void write_logits(const std::filesystem::path& file, bool force) const;

 private:
  std::vector<Verdict> verdicts_;
  std::vector<float> logits_;
};

}  // namespace soup
