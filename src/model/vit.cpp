#include "model/vit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>

#include "model/sidecar.h"
#include "model/vit_geometry.h"
#include "model/weights.h"

namespace soup {
namespace {

using at::Tensor;

constexpr double kEps = 1e-6;  // timm's LayerNorm

struct Norm {
  Tensor weight, bias;
};

struct Linear {
  Tensor weight, bias;  ///< bias may be undefined
};

struct Block {
  Norm norm1, norm2;
  Linear qkv, proj, fc1, fc2;
  Tensor scale1, scale2;  ///< LayerScale; undefined without
};

Norm norm_of(const Weights& weights, const std::string& name) {
  return {weights[name + ".weight"], weights[name + ".bias"]};
}

Linear linear_of(const Weights& weights, const std::string& name) {
  return {weights[name + ".weight"], weights[name + ".bias"]};
}

Block block_of(const Weights& weights, const std::string& name) {
  return {.norm1 = norm_of(weights, name + ".norm1"),
          .norm2 = norm_of(weights, name + ".norm2"),
          .qkv = linear_of(weights, name + ".attn.qkv"),
          .proj = linear_of(weights, name + ".attn.proj"),
          .fc1 = linear_of(weights, name + ".mlp.fc1"),
          .fc2 = linear_of(weights, name + ".mlp.fc2"),
          .scale1 = weights[name + ".ls1.gamma"],
          .scale2 = weights[name + ".ls2.gamma"]};
}

Tensor apply(const Norm& norm, const Tensor& x) {
  return at::layer_norm(x, norm.weight.sizes(), norm.weight, norm.bias, kEps);
}

Tensor apply(const Linear& linear, const Tensor& x) {
  return at::linear(x, linear.weight, linear.bias);
}

/// Rows [begin, end) of a linear layer.
Linear part(const Linear& linear, int64_t begin, int64_t end) {
  return {linear.weight.slice(0, begin, end),
          linear.bias.defined() ? linear.bias.slice(0, begin, end) : Tensor()};
}

/// x += scale * linear(y), the branch of a residual block.
void add_branch(Tensor& x, const Tensor& y, const Linear& linear,
                const Tensor& scale) {
  if (scale.defined()) {
    x.addcmul_(apply(linear, y), scale);
    return;
  }
  // One pass less over memory than x + linear(y).
  x.add_(linear.bias);
  x.view({-1, x.size(-1)})
      .addmm_(y.reshape({-1, y.size(-1)}), linear.weight.t());
}

/// Vision Transformer, arXiv:2010.11929, as timm computes it.
class Vit : public Model {
 public:
  Vit(const VitGeometry& geometry, ModelInput input, const at::Device& device)
      : g_(geometry),
        input_(std::move(input)),
        device_(device),
        weights_(vit_tensors(geometry), device),
        patch_(linear_of(weights_, "patch_embed.proj")),
        final_norm_(norm_of(weights_, g_.norm_pooled ? "fc_norm" : "norm")),
        head_(linear_of(weights_, "head")) {
    const c10::InferenceMode guard;
    patch_.weight = patch_.weight.view({g_.width, -1});
    for (int64_t i = 0; i < g_.depth; ++i) {
      blocks_.push_back(block_of(weights_, "blocks." + std::to_string(i)));
    }
  }

  std::string_view name() const override { return "vit"; }
  const ModelInput& input() const override { return input_; }
  int64_t classes() const override { return g_.classes; }
  const at::Device& device() const override { return device_; }

  int64_t unit() const override {
    // About a thousand rows: enough for the matrix products to be fast, few
    // enough for the activations of a small model to stay in a core's cache.
    const auto fit =
        static_cast<uint64_t>(std::clamp<int64_t>(1024 / g_.tokens(), 1, 64));
    auto unit = static_cast<int64_t>(std::bit_floor(fit));
    // Vector loops end with scalar code, which rounds otherwise: what a picture
    // gives must not depend on its place, so let there be no such end.
    constexpr int64_t lanes = 32;
    while (unit > 1 &&
           (unit * g_.width % lanes != 0 || unit * g_.hidden % lanes != 0)) {
      unit *= 2;
    }
    return unit;
  }

  void load(const Checkpoint& checkpoint) override {
    weights_.load(checkpoint);
  }

  Tensor forward(const Tensor& pictures) const override {
    const c10::InferenceMode guard;
    Tensor x = embed(pictures);
    // When only the class token is read at the end, the last block computes
    // nothing else.
    const bool one = !g_.pool_mean;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      x = block(blocks_[i], x, one && i + 1 == blocks_.size());
    }
    return apply(head_, pool(x));
  }

 private:
  /// Tokens [n, tokens, width] of pictures [n, channels, height, width].
  Tensor embed(const Tensor& pictures) const {
    const int64_t n = pictures.size(0);
    const Tensor patches =
        pictures.view({n, g_.channels, g_.rows, g_.patch, g_.columns, g_.patch})
            .permute({0, 2, 4, 1, 3, 5})
            .reshape({n, g_.patches(), -1});
    const Tensor position = weights_["pos_embed"];
    Tensor x = at::empty({n, g_.tokens(), g_.width}, pictures.options());
    Tensor behind = x.slice(1, g_.prefix());
    at::add_out(behind, apply(patch_, patches),
                position.slice(1, g_.embed_prefix ? g_.prefix() : 0));
    put_prefix(x, position);
    return x;
  }

  void put_prefix(Tensor& x, const Tensor& position) const {
    std::vector<Tensor> tokens;
    if (g_.class_token) tokens.push_back(weights_["cls_token"]);
    if (g_.registers > 0) tokens.push_back(weights_["reg_token"]);
    if (tokens.empty()) return;
    Tensor prefix = at::cat(tokens, 1);
    if (g_.embed_prefix) prefix = prefix + position.slice(1, 0, g_.prefix());
    x.slice(1, 0, g_.prefix()).copy_(prefix);
  }

  Tensor block(const Block& b, Tensor x, bool class_token_only) const {
    const Tensor attended = attend(b, apply(b.norm1, x), class_token_only);
    if (class_token_only) x = x.slice(1, 0, 1).contiguous();
    add_branch(x, attended, b.proj, b.scale1);
    Tensor hidden = apply(b.fc1, apply(b.norm2, x));
    at::gelu_(hidden);
    add_branch(x, hidden, b.fc2, b.scale2);
    return x;
  }

  /// Attention of all tokens of x, or of the first alone, to all.
  Tensor attend(const Block& b, const Tensor& x, bool first_only) const {
    const int64_t n = x.size(0);
    const int64_t each = g_.width / g_.heads;
    const auto split = [&](const Tensor& t, int64_t parts) {
      return t.view({n, -1, parts, g_.heads, each}).permute({2, 0, 3, 1, 4});
    };
    Tensor q, k, v;
    if (first_only) {
      const Tensor kv = split(apply(part(b.qkv, g_.width, 3 * g_.width), x), 2);
      q = split(apply(part(b.qkv, 0, g_.width), x.slice(1, 0, 1)), 1)[0];
      k = kv[0];
      v = kv[1];
    } else {
      const Tensor qkv = split(apply(b.qkv, x), 3);
      q = qkv[0];
      k = qkv[1];
      v = qkv[2];
    }
    return at::scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(
        {n, -1, g_.width});
  }

  /// [n, width] of the last block's output.
  Tensor pool(const Tensor& x) const {
    if (!g_.pool_mean) return apply(final_norm_, x.select(1, 0));
    if (g_.norm_pooled) {
      return apply(final_norm_, x.slice(1, g_.prefix()).mean(1));
    }
    return apply(final_norm_, x).slice(1, g_.prefix()).mean(1);
  }

  VitGeometry g_;
  ModelInput input_;
  at::Device device_;
  Weights weights_;
  Linear patch_;
  std::vector<Block> blocks_;
  Norm final_norm_;
  Linear head_;
};

}  // namespace

std::unique_ptr<Model> make_vit(const Checkpoint& like,
                                const nlohmann::ordered_json& sidecar,
                                const at::Device& device) {
  const VitGeometry geometry = read_vit_geometry(like, sidecar);
  check_tensors(like, vit_tensors(geometry));
  ModelInput input{.channels = geometry.channels,
                   .height = geometry.rows * geometry.patch,
                   .width = geometry.columns * geometry.patch,
                   .mean = {},
                   .std = {},
                   .interpolation = {}};
  read_preprocessing(sidecar, input);
  return std::make_unique<Vit>(geometry, std::move(input), device);
}

}  // namespace soup
