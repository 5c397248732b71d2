#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "soup/eval.h"

namespace soup {

/// Gathers what a model said of every example, for --predictions and --logits.
class Predictions {
 public:
  /// For EvaluateOptions; valid as long as this object. The one is needed for
  /// predictions, the other for logits.
  Watch watch();
  LogitsWatch logits_watch();

  /// Index, path (where there is one), label (of several right ones, which
  /// follow as `labels`, the one that the model is closest to), prediction and
  /// margin: one JSON object a line or, where `file` ends in .npy, a NumPy
  /// array of records (int64, int32, int32, float32), without paths.
  /// `evaluator`: which looked at every example.
  void write_predictions(const std::filesystem::path& file, bool force,
                         const Evaluator& evaluator) const;
  /// safetensors, as holds_logits() has it.
  void write_logits(const std::filesystem::path& file, bool force,
                    const Evaluator& evaluator) const;

 private:
  std::string lines(const Evaluator& evaluator) const;
  std::string records() const;

  std::vector<Verdict> verdicts_;
  std::vector<float> logits_;
};

}  // namespace soup
