#include "model/vit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <sstream>

#include "model/layers.h"
#include "model/linear_head.h"
#include "model/weights.h"
#include "soup/error.h"

namespace soup {
namespace {

using at::Tensor;

struct Block {
  Norm norm1, norm2;
  Linear qkv, proj, fc1, fc2;
  Tensor scale1, scale2;  ///< LayerScale; undefined without
};

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

/// Rows [begin, end) of a linear layer.
Linear part(const Linear& linear, int64_t begin, int64_t end) {
  return {linear.weight.slice(0, begin, end),
          linear.bias.defined() ? linear.bias.slice(0, begin, end) : Tensor()};
}

constexpr double kQuick = 1.702;  // QuickGELU: x * sigmoid(1.702 x)

/// Vision Transformer, arXiv:2010.11929, and CLIP's, arXiv:2103.00020.
class Vit : public Model {
 public:
  Vit(std::string_view name, const VitGeometry& geometry, const Layout& layout,
      ModelInput input, LinearHead head, const at::Device& device)
      : name_(name),
        g_(geometry),
        input_(std::move(input)),
        device_(device),
        weights_(vit_slots(geometry, layout), layout.unused(), device),
        patch_(linear_of(weights_, "patch_embed.proj")),
        pre_norm_(norm_of(weights_, "norm_pre")),
        final_norm_(norm_of(weights_, g_.final_norm == FinalNorm::kAfterPooling
                                          ? "fc_norm"
                                          : "norm")),
        projection_(weights_["proj.weight"]),
        logit_scale_(weights_["logit_scale"]),
        head_(linear_of(weights_, "head")),
        head_dist_(linear_of(weights_, "head_dist")),
        head_hash_(std::move(head.hash)) {
    if (head.weight.defined()) head_ = {head.weight, head.bias};
    for (int64_t i = 0; i < g_.depth; ++i) {
      blocks_.push_back(block_of(weights_, "blocks." + std::to_string(i)));
    }
  }

  std::string_view name() const override { return name_; }
  std::string identity() const override {
    std::ostringstream text;
    text << name_ << " heads=" << g_.heads
         << " activation=" << static_cast<int>(g_.activation)
         << " eps=" << g_.eps << " mean=" << g_.pool_mean << " grid=" << g_.rows
         << "x" << g_.columns << " head=" << head_hash_;
    return text.str();
  }
  const ModelInput& input() const override { return input_; }
  int64_t classes() const override { return head_.weight.size(0); }
  const at::Device& device() const override { return device_; }

  int64_t unit() const override {
    // Up to two thousand rows: enough for the matrix products to be fast, few
    // enough for the activations of a small model to stay in a core's cache.
    const auto fit =
        static_cast<uint64_t>(std::clamp<int64_t>(2048 / g_.tokens(), 1, 64));
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

  std::vector<Parameter> parameters() const override {
    return weights_.parameters();
  }

  Tensor forward(at::TensorList inputs) const override {
    Tensor x = embed(inputs.front());
    if (g_.pre_norm) x = apply(pre_norm_, x, g_.eps);
    // When only the first tokens are read at the end, the last block computes
    // nothing else.
    for (size_t i = 0; i < blocks_.size(); ++i) {
      const bool last = i + 1 == blocks_.size();
      x = block(blocks_[i], x, last ? g_.read_tokens() : 0);
    }
    if (!g_.distilled_head) return classify(pool(x));
    const Tensor read = apply(final_norm_, x, g_.eps);
    return apply(head_, read.select(1, 0))
        .add_(apply(head_dist_, read.select(1, 1)))
        .div_(2);
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
    const Tensor embedded =
        apply({patch_.weight.view({g_.width, -1}), patch_.bias}, patches)
            .add_(position.slice(1, g_.embed_prefix ? g_.prefix() : 0));
    const Tensor before = prefix(position);
    if (!before.defined()) return embedded;
    return at::cat({before.expand({n, -1, -1}), embedded}, 1);
  }

  /// What stands before the patches, [1, prefix, width]; undefined where
  /// nothing does.
  Tensor prefix(const Tensor& position) const {
    std::vector<Tensor> tokens;
    if (g_.class_token) tokens.push_back(weights_["cls_token"]);
    if (g_.distilled) tokens.push_back(weights_["dist_token"]);
    if (g_.registers > 0) tokens.push_back(weights_["reg_token"]);
    if (tokens.empty()) return {};
    const Tensor all = at::cat(tokens, 1);
    return g_.embed_prefix ? all + position.slice(1, 0, g_.prefix()) : all;
  }

  /// `read`: only the first tokens of the result are needed; 0: all are.
  Tensor block(const Block& b, Tensor x, int64_t read) const {
    const Tensor attended = attend(b, apply(b.norm1, x, g_.eps), read);
    if (read > 0) x = x.slice(1, 0, read).contiguous();
    add_branch(x, attended, b.proj, b.scale1);
    if (g_.activation == Activation::kQuickGelu) {
      // x * sigmoid(c x) = silu(c x) / c, and both factors cost next to nothing
      // where they multiply vectors.
      const Norm norm2{b.norm2.weight * kQuick, b.norm2.bias * kQuick};
      const Linear fc1{b.fc1.weight, b.fc1.bias * kQuick};
      Tensor hidden = apply(fc1, apply(norm2, x, g_.eps));
      add_branch(x, at::silu_(hidden), b.fc2, b.scale2, kQuick);
      return x;
    }
    Tensor hidden = apply(b.fc1, apply(b.norm2, x, g_.eps));
    at::gelu_(hidden, g_.activation == Activation::kGeluTanh ? "tanh" : "none");
    add_branch(x, hidden, b.fc2, b.scale2);
    return x;
  }

  /// Attention of all tokens of x, or of the first `read` alone, to all.
  Tensor attend(const Block& b, const Tensor& x, int64_t read) const {
    const int64_t n = x.size(0);
    const int64_t each = g_.width / g_.heads;
    const auto split = [&](const Tensor& t, int64_t parts) {
      return t.view({n, -1, parts, g_.heads, each}).permute({2, 0, 3, 1, 4});
    };
    Tensor q, k, v;
    if (read > 0) {
      const Tensor kv = split(apply(part(b.qkv, g_.width, 3 * g_.width), x), 2);
      q = split(apply(part(b.qkv, 0, g_.width), x.slice(1, 0, read)), 1)[0];
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
    const bool before = g_.final_norm == FinalNorm::kBeforePooling;
    const Tensor tokens = before ? apply(final_norm_, x, g_.eps) : x;
    const Tensor pooled = g_.pool_mean ? tokens.slice(1, g_.prefix()).mean(1)
                                       : tokens.select(1, 0);
    return g_.final_norm == FinalNorm::kAfterPooling
               ? apply(final_norm_, pooled, g_.eps)
               : pooled;
  }

  Tensor classify(Tensor features) const {
    if (g_.features > 0) features = apply({projection_, {}}, features);
    if (g_.unit_features) features = features / features.norm(2, -1, true);
    if (!g_.logit_scale) return apply(head_, features);
    return apply(head_, features * logit_scale_.exp());
  }

  std::string_view name_;
  VitGeometry g_;
  ModelInput input_;
  at::Device device_;
  Weights weights_;
  Linear patch_;
  Norm pre_norm_;
  std::vector<Block> blocks_;
  Norm final_norm_;
  Tensor projection_;
  Tensor logit_scale_;
  Linear head_;
  Linear head_dist_;
  std::string head_hash_;
};

}  // namespace

std::unique_ptr<Model> make_transformer(const Checkpoint& like,
                                        const Layout& layout,
                                        const Sidecar& sidecar,
                                        const VitDefaults& defaults,
                                        const Published& published,
                                        const at::Device& device) {
  const Shapes shapes(like, layout);
  VitGeometry geometry = read_vit_geometry(shapes, sidecar, defaults);
  LinearHead head;
  if (defaults.head_elsewhere) {
    head = read_linear_head(sidecar.head, geometry.head_width(), device);
    // Embedded texts: logits as CLIP's.
    geometry.logit_scale = geometry.logit_scale && head.unit_rows;
  }
  check_tensors(like, vit_slots(geometry, layout), layout.unused());
  ModelInput input;
  input.channels = geometry.channels;
  input.height = geometry.rows * geometry.patch;
  input.width = geometry.columns * geometry.patch;
  read_preparation(sidecar, published, input);
  return std::make_unique<Vit>(defaults.kind, geometry, layout,
                               std::move(input), std::move(head), device);
}

}  // namespace soup
