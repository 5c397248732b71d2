#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "model/weights.h"

/// Layers that several engines have: views of weights, and functions.
namespace soup {

struct Norm {
  at::Tensor weight, bias;
};

struct Linear {
  at::Tensor weight, bias;  ///< bias may be undefined
};

Norm norm_of(const Weights& weights, const std::string& name);
Linear linear_of(const Weights& weights, const std::string& name);

/// LayerNorm over the last dimension.
at::Tensor apply(const Norm& norm, const at::Tensor& x, double eps);
at::Tensor apply(const Linear& linear, const at::Tensor& x);

/// x += scale * (weight y / divisor + bias), the branch of a residual block.
/// Where autograd watches `x`, it is replaced by a new tensor.
/// `scale`: LayerScale, undefined without.
void add_branch(at::Tensor& x, const at::Tensor& y, const Linear& linear,
                const at::Tensor& scale, double divisor = 1);

}  // namespace soup
