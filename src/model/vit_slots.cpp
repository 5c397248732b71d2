#include "model/vit_geometry.h"

namespace soup {
namespace {

/// Collects slots.
class Slots {
 public:
  explicit Slots(const Layout& layout) : layout_(layout) {}

  void add(const std::string& name, std::vector<int64_t> shape) {
    all_.push_back(layout_.slot(name, std::move(shape)));
  }
  void add_linear(const std::string& name, int64_t rows, int64_t columns,
                  bool bias = true) {
    add(name + ".weight", {rows, columns});
    if (bias) add(name + ".bias", {rows});
  }
  void add_norm(const std::string& name, int64_t width) {
    add(name + ".weight", {width});
    add(name + ".bias", {width});
  }
  std::vector<Slot> take() { return std::move(all_); }

 private:
  const Layout& layout_;
  std::vector<Slot> all_;
};

void add_embedding(Slots& slots, const VitGeometry& g) {
  if (g.class_token) slots.add("cls_token", {1, 1, g.width});
  if (g.distilled) slots.add("dist_token", {1, 1, g.width});
  if (g.registers > 0) slots.add("reg_token", {1, g.registers, g.width});
  slots.add("pos_embed", {1, g.positions, g.width});
  slots.add("patch_embed.proj.weight", {g.width, g.channels, g.patch, g.patch});
  if (g.patch_bias) slots.add("patch_embed.proj.bias", {g.width});
  if (g.pre_norm) slots.add_norm("norm_pre", g.width);
}

void add_block(Slots& slots, const std::string& name, const VitGeometry& g) {
  slots.add_norm(name + ".norm1", g.width);
  slots.add_linear(name + ".attn.qkv", 3 * g.width, g.width, g.qkv_bias);
  slots.add_linear(name + ".attn.proj", g.width, g.width);
  slots.add_norm(name + ".norm2", g.width);
  slots.add_linear(name + ".mlp.fc1", g.hidden, g.width);
  slots.add_linear(name + ".mlp.fc2", g.width, g.hidden);
  if (!g.layer_scale) return;
  slots.add(name + ".ls1.gamma", {g.width});
  slots.add(name + ".ls2.gamma", {g.width});
}

}  // namespace

std::vector<Slot> vit_slots(const VitGeometry& g, const Layout& layout) {
  Slots slots(layout);
  add_embedding(slots, g);
  for (int64_t i = 0; i < g.depth; ++i) {
    add_block(slots, "blocks." + std::to_string(i), g);
  }
  if (g.final_norm == FinalNorm::kAfterPooling) {
    slots.add_norm("fc_norm", g.width);
  } else if (g.final_norm == FinalNorm::kBeforePooling) {
    slots.add_norm("norm", g.width);
  }
  if (g.features > 0) slots.add_linear("proj", g.features, g.width, false);
  if (g.logit_scale) slots.add("logit_scale", {});
  if (g.classes == 0) return slots.take();
  slots.add_linear("head", g.classes, g.head_width(), g.head_bias);
  if (g.distilled_head) {
    slots.add_linear("head_dist", g.classes, g.width, g.head_bias);
  }
  return slots.take();
}

}  // namespace soup
