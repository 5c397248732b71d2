#pragma once

#include <memory>

#include "model/sidecar.h"
#include "soup/model.h"

namespace soup {

/// Deep residual networks in torchvision's and timm's layout.
bool looks_like_resnet(const Checkpoint&);
std::unique_ptr<Model> make_resnet(const Checkpoint& like,
                                   const Sidecar& sidecar,
                                   const at::Device& device);

}  // namespace soup
