#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/layout.h"
#include "soup/checkpoint.h"

namespace soup {

/// A convolution without bias and the BatchNorm behind it.
struct ConvNorm {
  std::string conv;  ///< module of a checkpoint
  std::string norm;
  int64_t outputs = 0;
  int64_t inputs = 0;
  int64_t kernel = 0;  ///< odd; padded to keep the size
  int64_t stride = 1;
  int64_t groups = 1;
};

/// A residual block: two convolutions (basic) or three (bottleneck).
struct ResidualBlock {
  std::vector<ConvNorm> convs;
  std::optional<ConvNorm> shortcut;
  int64_t pool = 1;  ///< stride of average pooling before the shortcut
};

/// A ResNet, be it wide, ResNeXt or -D (a stem of three convolutions, shortcuts
/// with average pooling), in torchvision's and timm's layout. No libtorch.
struct ResNetGeometry {
  int64_t channels = 0;
  std::vector<ConvNorm> stem;
  std::vector<ResidualBlock> blocks;
  int64_t features = 0;
  int64_t classes = 0;
  bool head_bias = true;
};

/// Reads the geometry from names and shapes. The stride of a stage is in the
/// first block's 3 x 3 convolution, as in torchvision ("v1.5").
/// Throws Error naming the tensor at fault.
ResNetGeometry read_resnet_geometry(const Shapes& shapes);

/// Every tensor of that geometry.
std::vector<Slot> resnet_slots(const ResNetGeometry&, const Layout&);

/// Pattern of tensors without an influence on logits.
inline constexpr const char* kResNetUnused = "\\.num_batches_tracked$";

}  // namespace soup
