#include "model/vit_geometry.h"

#include <array>
#include <cmath>

#include "core/log.h"
#include "core/text.h"
#include "model/sidecar.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kHeadWidth = 64;  // of every published timm model
constexpr const char* kBlock = "blocks.";

/// Shapes of a checkpoint, with messages that name it.
class Shapes {
 public:
  explicit Shapes(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  bool has(const std::string& name) const {
    return checkpoint_.find(name).has_value();
  }
  /// Throws Error when it is missing, has another rank or an extent of 0.
  const std::vector<int64_t>& get(const std::string& name, size_t rank) const {
    const auto index = checkpoint_.find(name);
    if (!index) fail("'" + name + "' is missing, which every vit has");
    const std::vector<int64_t>& shape = checkpoint_.tensors()[*index].shape;
    bool good = shape.size() == rank;
    for (int64_t extent : shape) good = good && extent > 0;
    if (!good) {
      fail("'" + name + "' is " + shape_text(shape) + ", expected " +
           std::to_string(rank) + " dimensions");
    }
    return shape;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(checkpoint_.path().string() + ": " + what);
  }

 private:
  const Checkpoint& checkpoint_;
};

void read_patches(const Shapes& shapes, VitGeometry& g) {
  const std::vector<int64_t>& patch = shapes.get("patch_embed.proj.weight", 4);
  g.width = patch[0];
  g.channels = patch[1];
  g.patch = patch[2];
  if (patch[3] != patch[2]) {
    shapes.fail("'patch_embed.proj.weight' is " + shape_text(patch) +
                ", expected square patches");
  }
  g.positions = shapes.get("pos_embed", 3)[1];
  g.class_token = shapes.has("cls_token");
  if (shapes.has("reg_token")) g.registers = shapes.get("reg_token", 3)[1];
}

// Rows and columns of `count` patches: those of the sidecar's picture size when
// they fit, else a square.
bool set_grid(int64_t count, const ordered_json& sidecar, VitGeometry& g) {
  const ordered_json* size = find_argument(sidecar, "img_size");
  if (size != nullptr && size->is_array() && size->size() == 2 &&
      (*size)[0].is_number_integer() && (*size)[1].is_number_integer()) {
    g.rows = (*size)[0].get<int64_t>() / g.patch;
    g.columns = (*size)[1].get<int64_t>() / g.patch;
    if (g.rows > 0 && g.columns > 0 && count % g.rows == 0 &&
        count / g.rows == g.columns) {
      return true;
    }
  }
  const int64_t side = std::llround(std::sqrt(static_cast<double>(count)));
  g.rows = g.columns = side;
  return count > 0 && side * side == count;
}

void read_grid(const Shapes& shapes, const ordered_json& sidecar,
               VitGeometry& g) {
  const ordered_json* said = find_argument(sidecar, "no_embed_class");
  // timm's models with registers are all of this kind.
  const bool likely = said != nullptr && said->is_boolean() ? said->get<bool>()
                                                            : g.registers > 0;
  for (const bool bare : {likely, !likely}) {
    g.embed_prefix = !bare;
    if (set_grid(g.positions - (bare ? 0 : g.prefix()), sidecar, g)) return;
  }
  shapes.fail(
      "'pos_embed' has " + std::to_string(g.positions) +
      " positions, which is no square of patches with or without " +
      std::to_string(g.prefix()) +
      " other tokens; 'img_size': [height, width] in config.json helps");
}

int64_t count_blocks(const Shapes& shapes) {
  int64_t depth = 0;
  while (shapes.has(kBlock + std::to_string(depth) + ".attn.qkv.weight")) {
    ++depth;
  }
  return depth;
}

void read_blocks(const Shapes& shapes, VitGeometry& g) {
  g.depth = count_blocks(shapes);
  g.hidden = shapes.get("blocks.0.mlp.fc1.weight", 2)[0];
  g.patch_bias = shapes.has("patch_embed.proj.bias");
  g.qkv_bias = shapes.has("blocks.0.attn.qkv.bias");
  g.layer_scale = shapes.has("blocks.0.ls1.gamma");
}

void read_head(const Shapes& shapes, const ordered_json& sidecar,
               VitGeometry& g) {
  g.classes = shapes.get("head.weight", 2)[0];
  g.head_bias = shapes.has("head.bias");
  g.norm_pooled = shapes.has("fc_norm.weight");
  g.pool_mean = g.norm_pooled || !g.class_token;
  const ordered_json* said = find_argument(sidecar, "global_pool");
  if (said == nullptr) return;
  if (*said == "avg") {
    g.pool_mean = true;
  } else if (*said == "token" && g.class_token) {
    g.pool_mean = false;
  } else {
    throw Error("config.json: 'global_pool' " + printable(said->dump()) +
                " is not known for this model; expected token or avg");
  }
}

void read_heads(const Shapes& shapes, const ordered_json& sidecar,
                VitGeometry& g) {
  std::optional<int64_t> heads = integer_argument(sidecar, "num_heads");
  if (!heads) heads = integer_argument(sidecar, "num_attention_heads");
  if (heads) {
    g.heads = *heads;
    if (g.width % g.heads != 0) {
      throw Error("config.json: " + std::to_string(g.heads) +
                  " heads do not divide the width " + std::to_string(g.width));
    }
    return;
  }
  if (g.width % kHeadWidth != 0) {
    shapes.fail(
        "shapes do not tell the number of heads; put {\"num_heads\": N}"
        " into a config.json beside it");
  }
  g.heads = g.width / kHeadWidth;
  log::info("vit: " + std::to_string(g.heads) + " heads taken for the width " +
            std::to_string(g.width) +
            ", as in timm; 'num_heads' in a config.json says otherwise");
}

// Arguments of timm that change what is computed, with the only value that is
// computed here.
void check_arguments(const ordered_json& sidecar) {
  const std::array<std::pair<const char*, ordered_json>, 8> fixed = {{
      {"act_layer", "gelu"},
      {"hidden_act", "gelu"},
      {"norm_layer", nullptr},
      {"pre_norm", false},
      {"qk_norm", false},
      {"scale_attn_norm", false},
      {"scale_mlp_norm", false},
      {"pos_embed", "learn"},
  }};
  for (const auto& [key, value] : fixed) {
    const ordered_json* found = find_argument(sidecar, key);
    if (found != nullptr && *found != value) {
      throw Error(std::string("config.json: '") + key + "' is " +
                  printable(found->dump()) +
                  ", which the model vit does not have");
    }
  }
}

void add_linear(std::vector<TensorInfo>& out, const std::string& name,
                int64_t rows, int64_t columns, bool bias) {
  out.push_back({.name = name + ".weight", .shape = {rows, columns}});
  if (bias) out.push_back({.name = name + ".bias", .shape = {rows}});
}

void add_norm(std::vector<TensorInfo>& out, const std::string& name,
              int64_t width) {
  out.push_back({.name = name + ".weight", .shape = {width}});
  out.push_back({.name = name + ".bias", .shape = {width}});
}

void add_block(std::vector<TensorInfo>& out, const std::string& name,
               const VitGeometry& g) {
  add_norm(out, name + ".norm1", g.width);
  add_linear(out, name + ".attn.qkv", 3 * g.width, g.width, g.qkv_bias);
  add_linear(out, name + ".attn.proj", g.width, g.width, true);
  add_norm(out, name + ".norm2", g.width);
  add_linear(out, name + ".mlp.fc1", g.hidden, g.width, true);
  add_linear(out, name + ".mlp.fc2", g.width, g.hidden, true);
  if (!g.layer_scale) return;
  out.push_back({.name = name + ".ls1.gamma", .shape = {g.width}});
  out.push_back({.name = name + ".ls2.gamma", .shape = {g.width}});
}

}  // namespace

bool looks_like_vit(const Checkpoint& checkpoint) {
  for (const char* name : {"patch_embed.proj.weight", "pos_embed",
                           "blocks.0.attn.qkv.weight", "head.weight"}) {
    if (!checkpoint.find(name)) return false;
  }
  return true;
}

VitGeometry read_vit_geometry(const Checkpoint& checkpoint,
                              const ordered_json& sidecar) {
  const Shapes shapes(checkpoint);
  VitGeometry g;
  read_patches(shapes, g);
  read_grid(shapes, sidecar, g);
  read_blocks(shapes, g);
  read_head(shapes, sidecar, g);
  check_arguments(sidecar);
  read_heads(shapes, sidecar, g);
  return g;
}

std::vector<TensorInfo> vit_tensors(const VitGeometry& g) {
  std::vector<TensorInfo> out;
  if (g.class_token) {
    out.push_back({.name = "cls_token", .shape = {1, 1, g.width}});
  }
  if (g.registers > 0) {
    out.push_back({.name = "reg_token", .shape = {1, g.registers, g.width}});
  }
  out.push_back({.name = "pos_embed", .shape = {1, g.positions, g.width}});
  out.push_back({.name = "patch_embed.proj.weight",
                 .shape = {g.width, g.channels, g.patch, g.patch}});
  if (g.patch_bias) {
    out.push_back({.name = "patch_embed.proj.bias", .shape = {g.width}});
  }
  for (int64_t i = 0; i < g.depth; ++i) {
    add_block(out, kBlock + std::to_string(i), g);
  }
  add_norm(out, g.norm_pooled ? "fc_norm" : "norm", g.width);
  add_linear(out, "head", g.classes, g.width, g.head_bias);
  return out;
}

}  // namespace soup
