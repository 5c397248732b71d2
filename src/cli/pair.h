#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "soup/eval.h"

namespace soup {

/// Which examples of one data set each of two checkpoints gets right.
class Pair {
 public:
  /// Names as they are printed.
  Pair(std::string a, std::string b, std::string dataset, std::string metric);

  /// Keeps what the first (0) or second (1) checkpoint says of each example;
  /// valid as long as this object. Wants terms that count.
  Watch watch(size_t which);

  /// `{"kind":"compare",...}`: examples that only one gets right, what the
  /// second gains on the first, and McNemar's exact p-value.
  nlohmann::ordered_json describe() const;

 private:
  /// Examples that `which` gets right and the other does not.
  int64_t only(size_t which) const;

  std::array<std::string, 2> paths_;
  std::string dataset_;
  std::string metric_;
  std::array<std::vector<bool>, 2> right_;  ///< by example
};

}  // namespace soup
