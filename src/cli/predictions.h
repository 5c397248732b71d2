#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "soup/eval.h"

namespace soup {

/// Gathers what a model said of every example, for --predictions and --logits.
class Predictions {
 public:
  /// For EvaluatorOptions::logits; valid as long as this object.
  std::function<void(std::span<const Verdict>, std::span<const float>)>
  collector();

  /// Index, path (of the example `path_of` has one for), label, prediction and
  /// margin: one JSON object a line or, where `file` ends in .npy, a NumPy
  /// array of records (int64, int32, int32, float32), without paths.
  void write_predictions(
      const std::filesystem::path& file, bool force,
      const std::function<std::string(int64_t)>& path_of) const;
  /// safetensors: logits float32 [examples, classes], labels int64 [examples].
  void write_logits(const std::filesystem::path& file, bool force) const;

 private:
  std::string lines(const std::function<std::string(int64_t)>& path_of) const;
  std::string records() const;

  std::vector<Verdict> verdicts_;
  std::vector<float> logits_;
};

}  // namespace soup
