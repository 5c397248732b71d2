#include "model/layers.h"

#include <ATen/ATen.h>

namespace soup {

using at::Tensor;

Norm norm_of(const Weights& weights, const std::string& name) {
  return {weights[name + ".weight"], weights[name + ".bias"]};
}

Linear linear_of(const Weights& weights, const std::string& name) {
  return {weights[name + ".weight"], weights[name + ".bias"]};
}

Tensor apply(const Norm& norm, const Tensor& x, double eps) {
  return at::layer_norm(x, norm.weight.sizes(), norm.weight, norm.bias, eps);
}

Tensor apply(const Linear& linear, const Tensor& x) {
  return at::linear(x, linear.weight, linear.bias);
}

void add_branch(Tensor& x, const Tensor& y, const Linear& linear,
                const Tensor& scale, double divisor) {
  if (x.requires_grad()) x = x.clone();  // others need it as it was
  const Tensor rows = y.reshape({-1, y.size(-1)});
  Tensor sum = x.view({-1, x.size(-1)});
  if (scale.defined()) {
    sum.addcmul_(
        at::addmm(linear.bias, rows, linear.weight.t(), 1, 1 / divisor), scale);
    return;
  }
  // One pass less over memory than x + linear(y).
  sum.add_(linear.bias).addmm_(rows, linear.weight.t(), 1, 1 / divisor);
}

}  // namespace soup
