#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "soup/checkpoint.h"

namespace soup {

/// The weights of one architecture: float32 views of one flat tensor on the
/// device. Loading other weights changes the values, never the places.
class Weights {
 public:
  /// `wanted`: names and shapes. All values are 0 at first.
  Weights(std::vector<TensorInfo> wanted, const at::Device& device);

  /// The view called `name`, or an undefined tensor when there is none.
  at::Tensor operator[](std::string_view name) const;

  /// Throws Error when `checkpoint` has not exactly the tensors that are
  /// wanted, or when one is no float.
  void load(const Checkpoint& checkpoint);

 private:
  std::vector<TensorInfo> wanted_;
  at::Tensor host_;    ///< what load() fills; on a CPU the arena itself
  at::Tensor device_;  ///< where the views point
  std::vector<at::Tensor> host_views_;
  std::map<std::string, at::Tensor, std::less<>> views_;
};

/// Throws Error when the names and shapes of `checkpoint` are not exactly those
/// of `wanted`.
void check_tensors(const Checkpoint& checkpoint,
                   const std::vector<TensorInfo>& wanted);

}  // namespace soup
