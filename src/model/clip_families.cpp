#include <array>

#include "model/layout.h"
#include "model/preparation.h"
#include "model/vit.h"
#include "model/vit_families.h"
#include "model/vit_geometry.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr const char* kPatches = "conv1.weight";
constexpr const char* kHfPatches = "embeddings.patch_embedding.weight";
constexpr double kEps = 1e-5;

std::string literally(const std::string& text) { return "\\Q" + text + "\\E"; }

// `prefix` without `tower` at its end: where the other tower lies.
std::string base_of(const std::string& prefix, const std::string& tower) {
  return prefix.ends_with(tower)
             ? prefix.substr(0, prefix.size() - tower.size())
             : prefix;
}

/// Name of the module that is the linear head.
std::string head_of(const Checkpoint& like, const Sidecar& sidecar) {
  for (const char* name : {"classification_head", "classifier", "head", "fc"}) {
    if (like.find(std::string(name) + ".weight")) return name;
  }
  if (!sidecar.head.empty()) return "classification_head";
  throw Error(like.path().string() +
              ": has no classification head; --head FILE gives one");
}

// With a head of its own file, that of the checkpoint is not looked at.
std::string unused_of(std::string pattern, const std::string& head,
                      const Sidecar& sidecar) {
  if (!sidecar.head.empty()) pattern += "|^" + literally(head) + "\\.";
  return pattern;
}

Layout clip_layout(const std::string& p, const std::string& head,
                   const Sidecar& sidecar) {
  const std::string block = p + "transformer.resblocks.#.";
  const std::string base = base_of(p, "visual.");
  std::vector<NameRule> rules = {
      {"cls_token", {p + "class_embedding"}, 2},
      {"pos_embed", {p + "positional_embedding"}, 1},
      {"patch_embed.proj", {p + "conv1"}},
      {"norm_pre", {p + "ln_pre"}},
      {"blocks.#.norm1", {block + "ln_1"}},
      {"blocks.#.norm2", {block + "ln_2"}},
      {"blocks.#.attn.qkv.weight", {block + "attn.in_proj_weight"}},
      {"blocks.#.attn.qkv.bias", {block + "attn.in_proj_bias"}},
      {"blocks.#.attn.proj", {block + "attn.out_proj"}},
      {"blocks.#.mlp.fc1", {block + "mlp.c_fc"}},
      {"blocks.#.mlp.fc2", {block + "mlp.c_proj"}},
      {"blocks.#.ls1", {block + "ls_1"}},
      {"blocks.#.ls2", {block + "ls_2"}},
      {"norm", {p + "ln_post"}},
      {"proj.weight", {p + "proj"}, 0, true},
      {"logit_scale", {base + "logit_scale"}},
      {"head", {head}},
  };
  std::string unused = "^" + literally(base) + "(logit_scale|logit_bias)$";
  if (base != p) {
    unused += "|^" + literally(base) +
              "(transformer|text|token_embedding|ln_final)\\.|^" +
              literally(base) +
              "(positional_embedding|text_projection(\\.weight|\\.bias)?|"
              "attn_mask|input_resolution|context_length|vocab_size)$";
  }
  return Layout(std::move(rules), unused_of(std::move(unused), head, sidecar));
}

Layout hf_clip_layout(const std::string& p, const std::string& head,
                      bool projected, const Sidecar& sidecar) {
  const std::string block = p + "encoder.layers.#.";
  const std::string attention = block + "self_attn.";
  const std::string base = base_of(p, "vision_model.");
  std::vector<NameRule> rules = {
      {"cls_token", {p + "embeddings.class_embedding"}, 2},
      {"pos_embed", {p + "embeddings.position_embedding.weight"}, 1},
      {"patch_embed.proj", {p + "embeddings.patch_embedding"}},
      {"norm_pre", {p + "pre_layrnorm"}},  // spelt so
      {"blocks.#.norm1", {block + "layer_norm1"}},
      {"blocks.#.norm2", {block + "layer_norm2"}},
      {"blocks.#.attn.qkv",
       {attention + "q_proj", attention + "k_proj", attention + "v_proj"}},
      {"blocks.#.attn.proj", {attention + "out_proj"}},
      {"blocks.#.mlp.fc1", {block + "mlp.fc1"}},
      {"blocks.#.mlp.fc2", {block + "mlp.fc2"}},
      {"norm", {p + "post_layernorm"}},
      {"proj.weight", {base + "visual_projection.weight"}},
      {"logit_scale", {base + "logit_scale"}},
      {"head", {head}},
  };
  std::string unused = "^" + literally(base) +
                       "(logit_scale$|text_model\\.|text_projection\\.)|^" +
                       literally(p) + "embeddings\\.position_ids$";
  if (!projected) unused += "|^" + literally(p) + "post_layernorm\\.";
  return Layout(std::move(rules), unused_of(std::move(unused), head, sidecar));
}

}  // namespace

bool looks_like_clip(const Checkpoint& checkpoint) {
  const auto prefix = prefix_before(checkpoint, kPatches);
  return prefix &&
         has_tensors(
             checkpoint,
             {*prefix + "class_embedding", *prefix + "positional_embedding",
              *prefix + "transformer.resblocks.0.attn.in_proj_weight"});
}

std::unique_ptr<Model> make_clip(const Checkpoint& like, const Sidecar& sidecar,
                                 const at::Device& device) {
  const std::string prefix = prefix_before(like, kPatches).value_or("visual.");
  const std::string head = head_of(like, sidecar);
  // The paper's own wrapper, and wise-ft's, hold OpenAI's models.
  const bool openai = prefix.ends_with("model.visual.");
  return make_transformer(
      like, clip_layout(prefix, head, sidecar), sidecar,
      {.kind = "clip",
       .eps = kEps,
       .activation = openai ? Activation::kQuickGelu : Activation::kGelu,
       .activation_known = false,
       .unit_features = true,
       .head_elsewhere = !sidecar.head.empty()},
      clip_published(), device);
}

bool looks_like_hf_clip(const Checkpoint& checkpoint) {
  const auto prefix = prefix_before(checkpoint, kHfPatches);
  return prefix &&
         has_tensors(checkpoint,
                     {*prefix + "embeddings.class_embedding",
                      *prefix + "encoder.layers.0.self_attn.q_proj.weight"});
}

std::unique_ptr<Model> make_hf_clip(const Checkpoint& like,
                                    const Sidecar& sidecar,
                                    const at::Device& device) {
  const std::string prefix =
      prefix_before(like, kHfPatches).value_or("vision_model.");
  const std::string head = head_of(like, sidecar);
  const bool projected =
      like.find(base_of(prefix, "vision_model.") + "visual_projection.weight")
          .has_value();
  // CLIPForImageClassification reads the mean of the last block's patches.
  return make_transformer(
      like, hf_clip_layout(prefix, head, projected, sidecar), sidecar,
      {.kind = "clip-hf",
       .eps = kEps,
       .activation = Activation::kQuickGelu,
       .activation_known = sidecar.config.is_object(),
       .pool_mean = !projected,
       .final_norm = projected ? FinalNorm::kBeforePooling : FinalNorm::kNone,
       .unit_features = projected,
       .head_elsewhere = !sidecar.head.empty()},
      clip_published(), device);
}

}  // namespace soup
