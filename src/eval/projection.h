#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace soup {

/// From the outputs of a head to the logits of a data set's classes: of each
/// class the largest of its outputs ("Model soups", the ObjectNet, ImageNet-A
/// and -R loaders of the released code). Without classes: the outputs.
class Projection {
 public:
  /// `outputs` by class, of a head of `width`. Throws Error naming `where` when
  /// one is beyond it.
  Projection(std::vector<std::vector<int32_t>> outputs, int64_t width,
             const std::string& where);

  int64_t classes() const { return classes_; }
  /// `row` of `width` values to `logits` of classes(); what is not a number
  /// stays so.
  void apply(std::span<const float> row, std::span<float> logits) const;

 private:
  std::vector<std::vector<int32_t>> outputs_;
  int64_t classes_;
};

}  // namespace soup
