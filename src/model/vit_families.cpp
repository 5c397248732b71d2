#include "model/vit_families.h"

#include "model/layout.h"
#include "model/preparation.h"
#include "model/vit.h"
#include "model/vit_geometry.h"

namespace soup {
namespace {

constexpr const char* kHfPatches =
    "embeddings.patch_embeddings.projection.weight";

std::vector<NameRule> hf_vit_rules(const std::string& p) {
  const std::string block = p + "encoder.layer.#.";
  const std::string attention = block + "attention.attention.";
  return {
      {"cls_token", {p + "embeddings.cls_token"}},
      {"dist_token", {p + "embeddings.distillation_token"}},
      {"pos_embed", {p + "embeddings.position_embeddings"}},
      {"patch_embed.proj", {p + "embeddings.patch_embeddings.projection"}},
      {"blocks.#.norm1", {block + "layernorm_before"}},
      {"blocks.#.norm2", {block + "layernorm_after"}},
      {"blocks.#.attn.qkv",
       {attention + "query", attention + "key", attention + "value"}},
      {"blocks.#.attn.proj", {block + "attention.output.dense"}},
      {"blocks.#.mlp.fc1", {block + "intermediate.dense"}},
      {"blocks.#.mlp.fc2", {block + "output.dense"}},
      {"norm", {p + "layernorm"}},
      {"head_dist", {"distillation_classifier"}},
  };
}

}  // namespace

bool looks_like_vit(const Checkpoint& checkpoint) {
  return has_tensors(checkpoint, {"patch_embed.proj.weight", "pos_embed",
                                  "blocks.0.attn.qkv.weight", "head.weight"});
}

std::unique_ptr<Model> make_vit(const Checkpoint& like, const Sidecar& sidecar,
                                const at::Device& device) {
  VitDefaults defaults{.kind = "vit"};
  // timm's copies of CLIP's towers have CLIP's LayerNorm.
  if (like.find("norm_pre.weight")) defaults.eps = 1e-5;
  return make_transformer(like, Layout(), sidecar, defaults, {}, device);
}

bool looks_like_hf_vit(const Checkpoint& checkpoint) {
  const auto prefix = prefix_before(checkpoint, kHfPatches);
  return prefix &&
         has_tensors(checkpoint,
                     {*prefix + "embeddings.position_embeddings",
                      *prefix + "encoder.layer.0.layernorm_before.weight"});
}

std::unique_ptr<Model> make_hf_vit(const Checkpoint& like,
                                   const Sidecar& sidecar,
                                   const at::Device& device) {
  const std::string prefix = prefix_before(like, kHfPatches).value_or("vit.");
  std::vector<NameRule> rules = hf_vit_rules(prefix);
  const bool teacher = like.find("cls_classifier.weight").has_value();
  rules.push_back({"head", {teacher ? "cls_classifier" : "classifier"}});
  const bool deit =
      like.find(prefix + "embeddings.distillation_token").has_value();
  // Both have a pooler that classification does not use.
  const Layout layout(std::move(rules), "^\\Q" + prefix + "\\Epooler\\.");
  return make_transformer(
      like, layout, sidecar, {.kind = "vit-hf", .eps = 1e-12},
      deit ? imagenet_published("bicubic", 0.875) : half_published(), device);
}

}  // namespace soup
