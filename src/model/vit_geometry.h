#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "soup/checkpoint.h"

namespace soup {

/// A Vision Transformer in timm's layout (vision_transformer.py). No libtorch.
struct VitGeometry {
  int64_t width = 0;
  int64_t depth = 0;
  int64_t heads = 0;
  int64_t hidden = 0;  ///< of the MLP
  int64_t classes = 0;
  int64_t channels = 0;
  int64_t patch = 0;      ///< pixels a side
  int64_t rows = 0;       ///< patches
  int64_t columns = 0;    ///< patches
  int64_t positions = 0;  ///< rows of pos_embed
  bool class_token = false;
  int64_t registers = 0;
  /// Positions are added to the prefix tokens too (timm: not no_embed_class).
  bool embed_prefix = true;
  bool patch_bias = true;
  bool qkv_bias = true;
  bool layer_scale = false;
  bool head_bias = true;
  bool pool_mean = false;  ///< mean of the patches, else the class token
  /// Norm after pooling (`fc_norm`), else before (`norm`).
  bool norm_pooled = false;

  int64_t prefix() const { return (class_token ? 1 : 0) + registers; }
  int64_t patches() const { return rows * columns; }
  int64_t tokens() const { return prefix() + patches(); }
};

bool looks_like_vit(const Checkpoint&);

/// Reads the geometry from names and shapes; heads, pooling and the like from
/// `sidecar` (null: none), else timm's defaults, a guess announced.
/// Throws Error naming the tensor or key at fault.
VitGeometry read_vit_geometry(const Checkpoint&,
                              const nlohmann::ordered_json& sidecar);

/// Every tensor of that geometry.
std::vector<TensorInfo> vit_tensors(const VitGeometry&);

}  // namespace soup
