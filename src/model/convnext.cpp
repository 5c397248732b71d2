#include "model/convnext.h"

#include <ATen/ATen.h>

#include "model/conv_network.h"
#include "model/convnext_geometry.h"
#include "model/layers.h"
#include "model/preparation.h"
#include "model/weights.h"

namespace soup {
namespace {

using at::Tensor;

struct Block {
  Tensor kernel, bias;  ///< of the depthwise convolution
  Norm norm;
  Linear fc1, fc2;
  Norm response;  ///< undefined in version 1
  Tensor scale;   ///< LayerScale; undefined without
};

struct Stage {
  Norm norm;      ///< before the downsampling; undefined without
  Linear reduce;  ///< a convolution whose stride is its side
  std::vector<Block> blocks;
};

// 1 x 1 convolutions are products too.
Linear flat(const Linear& linear) {
  return {linear.weight.view({linear.weight.size(0), -1}), linear.bias};
}

Block block_of(const Weights& weights, const std::string& name) {
  return {.kernel = weights[name + "conv_dw.weight"],
          .bias = weights[name + "conv_dw.bias"],
          .norm = norm_of(weights, name + "norm"),
          .fc1 = linear_of(weights, name + "mlp.fc1"),
          .fc2 = linear_of(weights, name + "mlp.fc2"),
          .response = norm_of(weights, name + "mlp.grn"),
          .scale = weights[name + "gamma"]};
}

// Pictures are [n, height, width, channels] throughout, which is how a
// convolution sees them when it is told "channels last".
Tensor convolve(const Tensor& x, const Tensor& kernel, const Tensor& bias,
                int64_t stride, int64_t padding, int64_t groups = 1) {
  return at::conv2d(x.permute({0, 3, 1, 2}), kernel, bias, stride, padding, 1,
                    groups)
      .permute({0, 2, 3, 1})
      .contiguous();
}

// Global response normalisation of arXiv:2301.00808.
void respond(Tensor& x, const Norm& norm) {
  const Tensor size = x.norm(2, at::IntArrayRef{1, 2}, true);
  const Tensor share = size / (size.mean(-1, true) + 1e-6);
  if (x.requires_grad()) x = x.clone();  // its norm needs it as it was
  x.mul_(share.mul(norm.weight).add_(1)).add_(norm.bias);
}

class ConvNext : public Model {
 public:
  ConvNext(const ConvNextGeometry& g, const Layout& layout, ModelInput input,
           double eps, const at::Device& device)
      : eps_(eps),
        norm_first_(g.norm_first),
        input_(std::move(input)),
        device_(device),
        weights_(convnext_slots(g, layout), layout.unused(), device),
        stem_(linear_of(weights_, "stem.0")),
        stem_norm_(norm_of(weights_, "stem.1")),
        final_norm_(norm_of(weights_, g.norm_first ? "norm_pre" : "head.norm")),
        head_(linear_of(weights_, "head.fc")) {
    for (size_t i = 0; i < g.stages.size(); ++i) {
      const std::string name = "stages." + std::to_string(i) + ".";
      Stage stage{.norm = norm_of(weights_, name + "downsample.0"),
                  .reduce = linear_of(weights_, name + "downsample.1"),
                  .blocks = {}};
      for (size_t k = 0; k < g.stages[i].blocks.size(); ++k) {
        stage.blocks.push_back(
            block_of(weights_, name + "blocks." + std::to_string(k) + "."));
      }
      stages_.push_back(std::move(stage));
    }
  }

  std::string_view name() const override { return "convnext"; }
  std::string identity() const override {
    return "convnext eps=" + std::to_string(eps_ * 1e9);
  }
  const ModelInput& input() const override { return input_; }
  int64_t classes() const override { return head_.weight.size(0); }
  const at::Device& device() const override { return device_; }
  int64_t unit() const override {
    // No scalar end of a vector loop within a picture's GELU, see Vit::unit().
    constexpr int64_t lanes = 32;
    int64_t unit = conv_unit(input_);
    for (const Stage& stage : stages_) {
      for (const Block& block : stage.blocks) {
        while (unit * block.fc1.weight.size(0) % lanes != 0) unit *= 2;
      }
    }
    return unit;
  }

  void load(const Checkpoint& checkpoint) override {
    weights_.load(checkpoint);
  }

  std::vector<Parameter> parameters() const override {
    return weights_.parameters();
  }

  Tensor forward(at::TensorList inputs) const override {
    const Tensor x = inputs.front().permute({0, 2, 3, 1}).contiguous();
    Tensor y = apply(stem_norm_, reduce(stem_, x), eps_);
    for (const Stage& stage : stages_) {
      if (stage.norm.weight.defined()) {
        y = reduce(stage.reduce, apply(stage.norm, y, eps_));
      }
      for (const Block& block : stage.blocks) add_block(block, y);
    }
    return apply(head_, pool(y));
  }

 private:
  static Tensor reduce(const Linear& conv, const Tensor& x) {
    return convolve(x, conv.weight, conv.bias, conv.weight.size(2), 0);
  }

  void add_block(const Block& b, Tensor& x) const {
    const Tensor y = convolve(x, b.kernel, b.bias, 1, b.kernel.size(2) / 2,
                              b.kernel.size(0));
    Tensor hidden = apply(flat(b.fc1), apply(b.norm, y, eps_));
    at::gelu_(hidden);
    if (b.response.weight.defined()) respond(hidden, b.response);
    add_branch(x, hidden, flat(b.fc2), b.scale);
  }

  Tensor pool(const Tensor& x) const {
    if (norm_first_) {
      return apply(final_norm_, x, eps_).mean(at::IntArrayRef{1, 2});
    }
    return apply(final_norm_, x.mean(at::IntArrayRef{1, 2}), eps_);
  }

  double eps_;
  bool norm_first_;
  ModelInput input_;
  at::Device device_;
  Weights weights_;
  Linear stem_;
  Norm stem_norm_;
  std::vector<Stage> stages_;
  Norm final_norm_;
  Linear head_;
};

}  // namespace

bool looks_like_convnext(const Checkpoint& checkpoint) {
  return has_tensors(checkpoint,
                     {"stem.0.weight", "stages.0.blocks.0.conv_dw.weight",
                      "stages.0.blocks.0.norm.weight", "head.fc.weight"});
}

std::unique_ptr<Model> make_convnext(const Checkpoint& like,
                                     const Sidecar& sidecar,
                                     const at::Device& device) {
  const Layout layout;
  const ConvNextGeometry geometry =
      read_convnext_geometry(Shapes(like, layout));
  check_tensors(like, convnext_slots(geometry, layout), layout.unused());
  check_conv_arguments(sidecar, "gelu");
  ModelInput input = any_size_input(sidecar, geometry.channels,
                                    imagenet_published("bicubic", 0.875));
  const double eps =
      positive_argument(sidecar.config, {"norm_eps"}).value_or(1e-6);
  return std::make_unique<ConvNext>(geometry, layout, std::move(input), eps,
                                    device);
}

}  // namespace soup
