#pragma once

#include <array>
#include <string>
#include <vector>

#include "model/layout.h"

namespace soup {

/// A ConvNeXt in timm's layout (convnext.py) with its usual stem of patches.
/// No libtorch.
struct ConvNextGeometry {
  struct Block {
    int64_t kernel = 0;  ///< of the depthwise convolution, odd
    int64_t hidden = 0;
  };
  struct Stage {
    int64_t width = 0;
    int64_t stride = 1;  ///< of a convolution of that size before it
    bool downsample = false;
    std::vector<Block> blocks;
  };
  int64_t channels = 0;
  int64_t patch = 0;
  int64_t stem_width = 0;
  std::vector<Stage> stages;
  bool conv_bias = true;
  bool conv_mlp = false;  ///< the MLPs are stored as 1 x 1 convolutions
  bool layer_scale = false;
  bool response_norm = false;  ///< version 2
  bool norm_first = false;     ///< before pooling (`norm_pre`), else after
  int64_t classes = 0;
  bool head_bias = true;
};

/// Throws Error naming the tensor at fault.
ConvNextGeometry read_convnext_geometry(const Shapes& shapes);

/// Every tensor of that geometry.
std::vector<Slot> convnext_slots(const ConvNextGeometry&, const Layout&);

}  // namespace soup
