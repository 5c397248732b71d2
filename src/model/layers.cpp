#include "model/layers.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <string_view>

namespace soup {

using at::Tensor;

namespace {

/// oneDNN's x weight^T + bias, which at::linear does not reach for float32.
class OneDnnLinear {
 public:
  /// Autograd cannot follow it.
  bool suits(const Linear& linear, const Tensor& x) const {
    const bool followed = at::GradMode::is_enabled() &&
                          (x.requires_grad() || linear.weight.requires_grad());
    return op_ && x.is_cpu() && x.scalar_type() == at::kFloat && !followed;
  }

  Tensor operator()(const Linear& linear, const Tensor& x) const {
    const std::optional<Tensor> bias =
        linear.bias.defined() ? std::optional(linear.bias) : std::nullopt;
    return op_->call(x, linear.weight, bias, "none", Scalars(), "");
  }

 private:
  using Scalars = c10::List<std::optional<at::Scalar>>;
  using Op = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&,
                    std::string_view activation, Scalars,
                    std::optional<std::string_view> algorithm);

  // nullopt: this libtorch is built without oneDNN.
  static std::optional<c10::TypedOperatorHandle<Op>> find() {
    const auto found = c10::Dispatcher::singleton().findSchema(
        {"mkldnn::_linear_pointwise", ""});
    if (!found) return std::nullopt;
    return found->typed<Op>();
  }

  std::optional<c10::TypedOperatorHandle<Op>> op_ = find();
};

}  // namespace

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
  // MKL, behind at::linear, does not use the widest vectors of a processor that
  // is not Intel's: there oneDNN is twice as fast.
  static const OneDnnLinear one_dnn;
  if (one_dnn.suits(linear, x)) return one_dnn(linear, x);
  return at::linear(x, linear.weight, linear.bias);
}

void add_branch(Tensor& x, const Tensor& y, const Linear& linear,
                const Tensor& scale, double divisor) {
  if (x.requires_grad()) x = x.clone();  // others need it as it was
  const Tensor bias = divisor == 1 ? linear.bias : linear.bias * divisor;
  const Tensor branch = apply({linear.weight, bias}, y);
  if (scale.defined()) {
    x.addcmul_(branch, scale, 1 / divisor);
  } else {
    x.add_(branch, 1 / divisor);
  }
}

}  // namespace soup
