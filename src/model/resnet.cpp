#include "model/resnet.h"

#include <ATen/ATen.h>

#include <functional>

#include "model/conv_network.h"
#include "model/preparation.h"
#include "model/resnet_geometry.h"
#include "model/weights.h"
#include "soup/error.h"

namespace soup {
namespace {

using at::Tensor;

constexpr double kEps = 1e-5;  // torch's BatchNorm

/// A convolution and its BatchNorm in evaluation mode, as one convolution:
/// views of what Weights holds, and the product of both.
struct Folded {
  std::string norm;  ///< module of the BatchNorm
  Tensor conv, weight, bias, mean, variance;
  Tensor kernel;  ///< channels last
  Tensor shift;
  int64_t stride = 1;
  int64_t groups = 1;
};

Folded folded_of(const Weights& weights, const ConvNorm& c) {
  Folded made{.norm = c.norm,
              .conv = weights[c.conv + ".weight"],
              .weight = weights[c.norm + ".weight"],
              .bias = weights[c.norm + ".bias"],
              .mean = weights[c.norm + ".running_mean"],
              .variance = weights[c.norm + ".running_var"],
              .kernel = {},
              .shift = {},
              .stride = c.stride,
              .groups = c.groups};
  made.kernel = at::zeros_like(made.conv, {}, at::MemoryFormat::ChannelsLast);
  made.shift = at::zeros_like(made.bias);
  return made;
}

void fold(Folded& f) {
  const Tensor scale = f.weight / (f.variance + kEps).sqrt();
  at::mul_out(f.kernel, f.conv, scale.view({-1, 1, 1, 1}));
  at::sub_out(f.shift, f.bias, f.mean * scale);
}

/// What fold() makes, in a way that autograd can follow.
std::pair<Tensor, Tensor> folded(const Folded& f) {
  const Tensor scale = f.weight / (f.variance + kEps).sqrt();
  return {f.conv * scale.view({-1, 1, 1, 1}), f.bias - f.mean * scale};
}

Tensor convolve(const Folded& f, const Tensor& x, const Tensor& kernel,
                const Tensor& bias) {
  return at::conv2d(x, kernel, bias, f.stride, kernel.size(2) / 2, 1, f.groups);
}

std::vector<double> doubles(const Tensor& values) {
  const Tensor host = values.to(at::kCPU, at::kDouble).contiguous();
  const auto* begin = host.const_data_ptr<double>();
  return {begin, begin + host.numel()};
}

/// What BatchNorm does in training, with its moments.
Tensor apply_in_training(const Folded& f, const Tensor& x, BatchMoments& seen) {
  Tensor y = convolve(f, x, f.conv, {});
  const auto [variance, mean] =
      at::var_mean(y, at::IntArrayRef{0, 2, 3}, /*correction=*/0, true);
  seen.module = f.norm;
  seen.count = y.numel() / y.size(1);
  seen.mean = doubles(mean);
  seen.squares = doubles(variance * static_cast<double>(seen.count));
  const Tensor scale = f.weight.view({1, -1, 1, 1}) / (variance + kEps).sqrt();
  return y.sub_(mean).mul_(scale).add_(f.bias.view({1, -1, 1, 1}));
}

/// A convolution and its BatchNorm, in evaluation or in training.
using Layer = std::function<Tensor(const Folded&, const Tensor&)>;

struct Block {
  std::vector<Folded> convs;
  std::optional<Folded> shortcut;
  int64_t pool = 1;
};

/// Deep residual network, arXiv:1512.03385, as torchvision and timm compute it.
class ResNet : public Model {
 public:
  ResNet(const ResNetGeometry& g, const Layout& layout, ModelInput input,
         const at::Device& device)
      : classes_(g.classes),
        input_(std::move(input)),
        device_(device),
        weights_(resnet_slots(g, layout), layout.unused(), device),
        head_weight_(weights_["fc.weight"]),
        head_bias_(weights_["fc.bias"]) {
    const c10::InferenceMode guard;
    for (const ConvNorm& conv : g.stem) {
      stem_.push_back(folded_of(weights_, conv));
    }
    for (const ResidualBlock& block : g.blocks) {
      Block made;
      for (const ConvNorm& conv : block.convs) {
        made.convs.push_back(folded_of(weights_, conv));
      }
      if (block.shortcut) made.shortcut = folded_of(weights_, *block.shortcut);
      made.pool = block.pool;
      blocks_.push_back(std::move(made));
    }
  }

  std::string_view name() const override { return "resnet"; }
  std::string identity() const override { return "resnet"; }
  const ModelInput& input() const override { return input_; }
  int64_t classes() const override { return classes_; }
  const at::Device& device() const override { return device_; }
  int64_t unit() const override { return conv_unit(input_); }

  void load(const Checkpoint& checkpoint) override {
    const c10::InferenceMode guard;
    weights_.load(checkpoint);
    for (Folded& conv : stem_) fold(conv);
    for (Block& block : blocks_) {
      for (Folded& conv : block.convs) fold(conv);
      if (block.shortcut) fold(*block.shortcut);
    }
  }

  std::vector<Parameter> parameters() const override {
    return weights_.parameters();
  }

  Tensor forward(at::TensorList inputs) const override {
    const bool follow = head_weight_.requires_grad();
    const Tensor x = run(inputs.front(), [&](const Folded& f, const Tensor& y) {
      if (!follow) return convolve(f, y, f.kernel, f.shift);
      const auto [kernel, shift] = folded(f);
      return convolve(f, y, kernel, shift);
    });
    return at::linear(x.mean(at::IntArrayRef{2, 3}), head_weight_, head_bias_);
  }

  std::vector<BatchMoments> moments(const Tensor& pictures) const override {
    const c10::InferenceMode guard;
    std::vector<BatchMoments> seen;
    run(pictures, [&](const Folded& f, const Tensor& y) {
      return apply_in_training(f, y, seen.emplace_back());
    });
    return seen;
  }

 private:
  /// [n, features, height, width] before pooling.
  Tensor run(const Tensor& pictures, const Layer& layer) const {
    Tensor x = pictures.contiguous(at::MemoryFormat::ChannelsLast);
    for (const Folded& conv : stem_) x = layer(conv, x).relu_();
    x = at::max_pool2d(x, 3, 2, 1);
    for (const Block& block : blocks_) x = residual(block, x, layer);
    return x;
  }

  static Tensor residual(const Block& block, const Tensor& x,
                         const Layer& layer) {
    Tensor y = layer(block.convs[0], x);
    for (size_t i = 1; i < block.convs.size(); ++i) {
      y = layer(block.convs[i], y.relu_());
    }
    return y.add_(shortcut(block, x, layer)).relu_();
  }

  static Tensor shortcut(const Block& block, const Tensor& x,
                         const Layer& layer) {
    if (!block.shortcut) return x;
    if (block.pool == 1) return layer(*block.shortcut, x);
    // timm's: odd borders are the mean of what is there.
    return layer(*block.shortcut,
                 at::avg_pool2d(x, 2, block.pool, 0, true, false));
  }

  int64_t classes_;
  ModelInput input_;
  at::Device device_;
  Weights weights_;
  std::vector<Folded> stem_;
  std::vector<Block> blocks_;
  Tensor head_weight_;
  Tensor head_bias_;
};

}  // namespace

bool looks_like_resnet(const Checkpoint& checkpoint) {
  return has_tensors(checkpoint, {"bn1.running_mean", "layer1.0.conv1.weight",
                                  "layer1.0.bn2.running_var", "fc.weight"});
}

std::unique_ptr<Model> make_resnet(const Checkpoint& like,
                                   const Sidecar& sidecar,
                                   const at::Device& device) {
  const Layout layout({}, kResNetUnused);
  const ResNetGeometry geometry = read_resnet_geometry(Shapes(like, layout));
  check_tensors(like, resnet_slots(geometry, layout), layout.unused());
  check_conv_arguments(sidecar, "relu");
  ModelInput input = any_size_input(sidecar, geometry.channels,
                                    imagenet_published("bilinear", 0.875));
  return std::make_unique<ResNet>(geometry, layout, std::move(input), device);
}

}  // namespace soup
