#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/layout.h"
#include "soup/checkpoint.h"
#include "soup/model.h"

namespace soup {

/// The weights of one architecture: views of one flat tensor on the device, of
/// the default dtype (float32). Loading other weights changes the values, never
/// the places.
class Weights {
 public:
  /// `unused`: see check_tensors. All values are 0 at first.
  Weights(std::vector<Slot> slots, Unused unused, const at::Device& device);

  /// The view called `name`, or an undefined tensor when there is none.
  at::Tensor operator[](std::string_view name) const;

  /// Throws Error when `checkpoint` does not fit (check_tensors).
  void load(const Checkpoint& checkpoint);

  /// The views with where they come from.
  std::vector<Parameter> parameters() const;

 private:
  void fill(size_t slot, const Checkpoint& checkpoint);

  std::vector<Slot> slots_;
  Unused unused_;
  at::Tensor host_;    ///< what load() fills; on a CPU the arena itself
  at::Tensor device_;  ///< where the views point
  std::vector<at::Tensor> host_views_;
  std::map<std::string, at::Tensor, std::less<>> views_;
};

/// Throws Error when a tensor of `slots` is missing in `checkpoint`, has
/// another shape or is no float, and when one that is in no slot is not
/// `unused`.
void check_tensors(const Checkpoint& checkpoint, const std::vector<Slot>& slots,
                   const Unused& unused);

}  // namespace soup
