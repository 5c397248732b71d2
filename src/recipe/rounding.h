#pragma once

#include "recipe/kernels.h"
#include "soup/recipe.h"

namespace soup {

/// What an operation of torch on tensors of the type a merge works in does to
/// its exact result, held in float64: nothing under the default numerics.
/// Types of 16 bits are computed in float32 and then rounded again.
class Rounding {
 public:
  explicit Rounding(const PlannedTensor&);

  bool active() const { return active_; }
  void operator()(double* values, size_t n) const;
  double operator()(double value) const;
  /// A term added to a sum, which is kept wider.
  void sum(double* values, size_t n) const;
  double sum(double value) const;

 private:
  bool active_ = false;
  FloatFormat format_ = FloatFormat::kF64;
};

}  // namespace soup
