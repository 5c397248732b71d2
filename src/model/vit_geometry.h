#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/layout.h"
#include "model/sidecar.h"
#include "soup/checkpoint.h"

namespace soup {

/// Of the hidden layer of an MLP.
enum class Activation { kGelu, kGeluTanh, kQuickGelu };

/// Where the last LayerNorm stands.
enum class FinalNorm { kBeforePooling, kAfterPooling, kNone };

/// A Vision Transformer, be it timm's, Hugging Face's or CLIP's image tower.
/// Tensors are called as in timm (vision_transformer.py). No libtorch.
struct VitGeometry {
  int64_t width = 0;
  int64_t depth = 0;
  int64_t heads = 0;
  int64_t hidden = 0;   ///< of the MLP
  int64_t classes = 0;  ///< 0: there is no head
  int64_t channels = 0;
  int64_t patch = 0;      ///< pixels a side
  int64_t rows = 0;       ///< patches
  int64_t columns = 0;    ///< patches
  int64_t positions = 0;  ///< rows of pos_embed
  bool class_token = false;
  bool distilled = false;  ///< DeiT's second token
  int64_t registers = 0;
  /// Positions are added to the prefix tokens too (timm: not no_embed_class).
  bool embed_prefix = true;
  bool patch_bias = true;
  bool pre_norm = false;  ///< a LayerNorm before the blocks
  bool qkv_bias = true;
  bool layer_scale = false;
  Activation activation = Activation::kGelu;
  double eps = 1e-6;       ///< of LayerNorm
  bool pool_mean = false;  ///< mean of the patches, else the class token
  FinalNorm final_norm = FinalNorm::kBeforePooling;
  int64_t features = 0;        ///< columns of a last projection; 0: none
  bool unit_features = false;  ///< their length is made 1
  bool logit_scale = false;    ///< logits are multiplied by its exponential
  bool head_bias = true;
  /// The distillation token has a head, logits are the mean of both.
  bool distilled_head = false;

  int64_t prefix() const {
    return (class_token ? 1 : 0) + (distilled ? 1 : 0) + registers;
  }
  int64_t patches() const { return rows * columns; }
  int64_t tokens() const { return prefix() + patches(); }
  /// Columns of the head.
  int64_t head_width() const { return features > 0 ? features : width; }
  /// Tokens at the front that the head reads; 0: the patches.
  int64_t read_tokens() const {
    if (pool_mean) return 0;
    return distilled_head ? 2 : 1;
  }
};

/// What the code behind a layout does where neither names, shapes nor a
/// config.json tell.
struct VitDefaults {
  std::string_view kind;  ///< for messages
  double eps = 1e-6;
  Activation activation = Activation::kGelu;
  bool activation_known = true;  ///< else it is a guess, and announced
  bool pool_mean = false;
  FinalNorm final_norm = FinalNorm::kBeforePooling;
  bool unit_features = false;
  bool head_elsewhere = false;  ///< in a file of its own
};

/// Reads the geometry from names and shapes; heads, pooling and the like from
/// the sidecar, else `defaults`.
/// Throws Error naming the tensor or key at fault.
VitGeometry read_vit_geometry(const Shapes& shapes, const Sidecar& sidecar,
                              const VitDefaults& defaults);

/// Every tensor of that geometry.
std::vector<Slot> vit_slots(const VitGeometry&, const Layout&);

}  // namespace soup
