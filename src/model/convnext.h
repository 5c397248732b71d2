#pragma once

#include <memory>

#include "model/sidecar.h"
#include "soup/model.h"

namespace soup {

/// ConvNeXt, arXiv:2201.03545, and its second version, arXiv:2301.00808, in
/// timm's layout.
bool looks_like_convnext(const Checkpoint&);
std::unique_ptr<Model> make_convnext(const Checkpoint& like,
                                     const Sidecar& sidecar,
                                     const at::Device& device);

}  // namespace soup
