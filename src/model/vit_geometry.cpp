#include "model/vit_geometry.h"

#include <array>
#include <cmath>

#include "core/log.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

constexpr const char* kBlock = "blocks.";

void read_patches(const Shapes& shapes, VitGeometry& g) {
  const std::vector<int64_t> patch = shapes.get("patch_embed.proj.weight", 4);
  g.width = patch[0];
  g.channels = patch[1];
  g.patch = patch[2];
  if (patch[3] != patch[2]) {
    shapes.fail("the patches' weights are " + shape_text(patch) +
                ", expected square patches");
  }
  g.positions = shapes.get("pos_embed", 3)[1];
  g.class_token = shapes.has("cls_token");
  g.distilled = shapes.has("dist_token");
  if (shapes.has("reg_token")) g.registers = shapes.get("reg_token", 3)[1];
}

// Rows and columns of `count` patches: those of the config's picture size when
// they fit, else a square.
bool set_grid(int64_t count, const ordered_json& config, VitGeometry& g) {
  const ordered_json* size = find_argument(config, "img_size");
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

void read_grid(const Shapes& shapes, const ordered_json& config,
               VitGeometry& g) {
  const ordered_json* said = find_argument(config, "no_embed_class");
  // timm's models with registers are all of this kind.
  const bool likely = said != nullptr && said->is_boolean() ? said->get<bool>()
                                                            : g.registers > 0;
  for (const bool bare : {likely, !likely}) {
    g.embed_prefix = !bare;
    if (set_grid(g.positions - (bare ? 0 : g.prefix()), config, g)) return;
  }
  shapes.fail(
      "the embedding has " + std::to_string(g.positions) +
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
  g.pre_norm = shapes.has("norm_pre.weight");
  g.qkv_bias = shapes.has("blocks.0.attn.qkv.bias");
  g.layer_scale = shapes.has("blocks.0.ls1.gamma");
}

void read_pooling(const Shapes& shapes, const ordered_json& config,
                  const VitDefaults& defaults, VitGeometry& g) {
  const bool after = shapes.has("fc_norm.weight");
  g.final_norm = after ? FinalNorm::kAfterPooling : defaults.final_norm;
  g.pool_mean = after || !g.class_token || defaults.pool_mean;
  const ordered_json* said = find_argument(config, "global_pool");
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

void read_head(const Shapes& shapes, const VitDefaults& defaults,
               VitGeometry& g) {
  if (shapes.has("proj.weight")) {
    g.features = shapes.get("proj.weight", 2)[0];
  }
  g.unit_features = defaults.unit_features;
  if (defaults.head_elsewhere) {
    g.logit_scale = shapes.has("logit_scale");
    return;
  }
  g.classes = shapes.get("head.weight", 2)[0];
  g.head_bias = shapes.has("head.bias");
  g.distilled_head = g.distilled && shapes.has("head_dist.weight");
}

// Published models: 64 columns a head, but for the widths of ViT-SO400M, H, g
// and G (timm's vision_transformer.py, open_clip's model_configs).
int64_t usual_heads(int64_t width) {
  if (width == 1152 || width == 1280 || width == 1408 || width == 1664) {
    return 16;
  }
  return width % 64 == 0 ? width / 64 : 0;
}

// open_clip's configuration has columns a head instead of heads.
std::optional<int64_t> heads_said(const ordered_json& config, int64_t width) {
  for (const char* key : {"num_heads", "num_attention_heads"}) {
    if (const auto heads = integer_argument(config, key)) return heads;
  }
  if (const auto each = integer_argument(config, "head_width")) {
    return std::max<int64_t>(width / *each, 1);
  }
  return std::nullopt;
}

void read_heads(const Shapes& shapes, const ordered_json& config,
                std::string_view kind, VitGeometry& g) {
  if (const auto heads = heads_said(config, g.width)) {
    g.heads = *heads;
    if (g.width % g.heads != 0) {
      throw Error("config.json: " + std::to_string(g.heads) +
                  " heads do not divide the width " + std::to_string(g.width));
    }
    return;
  }
  g.heads = usual_heads(g.width);
  if (g.heads == 0) {
    shapes.fail(
        "shapes do not tell the number of heads; put {\"num_heads\": N}"
        " into a config.json beside it");
  }
  log::info(std::string(kind) + ": " + std::to_string(g.heads) +
            " heads taken for the width " + std::to_string(g.width) +
            ", as in published models; 'num_heads' in a config.json says "
            "otherwise");
}

constexpr std::array<std::pair<std::string_view, Activation>, 7> kActivations =
    {{{"gelu", Activation::kGelu},
      {"quick_gelu", Activation::kQuickGelu},
      {"quickgelu", Activation::kQuickGelu},
      {"gelu_tanh", Activation::kGeluTanh},
      {"gelu_new", Activation::kGeluTanh},
      {"gelu_fast", Activation::kGeluTanh},
      {"gelu_pytorch_tanh", Activation::kGeluTanh}}};

std::optional<Activation> activation_said(const Sidecar& sidecar) {
  for (const char* key : {"act_layer", "hidden_act"}) {
    const ordered_json* said = find_argument(sidecar.config, key);
    if (said == nullptr) continue;
    for (const auto& [name, activation] : kActivations) {
      if (*said == name) return activation;
    }
    throw Error(std::string("config.json: '") + key + "' is " +
                printable(said->dump()) + ", which the model does not have");
  }
  const ordered_json* quick = find_argument(sidecar.config, "quick_gelu");
  if (quick != nullptr && quick->is_boolean()) {
    return *quick == true ? Activation::kQuickGelu : Activation::kGelu;
  }
  if (sidecar.architecture.find("quickgelu") != std::string::npos) {
    return Activation::kQuickGelu;
  }
  // What names its model names its activation.
  const bool named = !sidecar.architecture.empty() ||
                     find_argument(sidecar.config, "vision_cfg") != nullptr;
  return named ? std::optional(Activation::kGelu) : std::nullopt;
}

void read_activation(const Sidecar& sidecar, const VitDefaults& defaults,
                     VitGeometry& g) {
  const std::optional<Activation> said = activation_said(sidecar);
  g.activation = said.value_or(defaults.activation);
  if (said || defaults.activation_known) return;
  const bool quick = g.activation == Activation::kQuickGelu;
  log::info(std::string(defaults.kind) + ": " +
            (quick ? "QuickGELU taken, as in OpenAI's models; --model ViT-B-32"
                   : "GELU taken, as in open_clip's own models; --model "
                     "ViT-B-32-quickgelu") +
            " (or the like) says otherwise");
}

// Arguments of timm that change what is computed, with the only value that is
// computed here.
void check_arguments(const ordered_json& config) {
  const std::array<std::pair<const char*, ordered_json>, 5> fixed = {{
      {"norm_layer", nullptr},
      {"qk_norm", false},
      {"scale_attn_norm", false},
      {"scale_mlp_norm", false},
      {"pos_embed", "learn"},
  }};
  for (const auto& [key, value] : fixed) {
    const ordered_json* found = find_argument(config, key);
    if (found != nullptr && *found != value) {
      throw Error(std::string("config.json: '") + key + "' is " +
                  printable(found->dump()) + ", which the model does not have");
    }
  }
}

}  // namespace

VitGeometry read_vit_geometry(const Shapes& shapes, const Sidecar& sidecar,
                              const VitDefaults& defaults) {
  const ordered_json& config = sidecar.config;
  VitGeometry g;
  read_patches(shapes, g);
  read_grid(shapes, config, g);
  read_blocks(shapes, g);
  read_pooling(shapes, config, defaults, g);
  read_head(shapes, defaults, g);
  check_arguments(config);
  read_activation(sidecar, defaults, g);
  read_heads(shapes, config, defaults.kind, g);
  g.eps = positive_argument(config, {"layer_norm_eps"}).value_or(defaults.eps);
  return g;
}

}  // namespace soup
