#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "cli/output.h"
#include "soup/eval.h"

namespace soup {

/// What share of the examples of each class one checkpoint gets right on one
/// data set (`--per-class`), whatever the metric.
class ClassShares {
 public:
  /// For EvaluateOptions; valid as long as this object.
  Watch watch();
  /// A line `{"kind":"class",...}` for every class with examples.
  void print(const std::filesystem::path& path, const std::string& dataset,
             const Output& output) const;

 private:
  struct Share {
    int64_t count = 0;
    int64_t correct = 0;
  };

  std::map<int32_t, Share> classes_;
};

}  // namespace soup
