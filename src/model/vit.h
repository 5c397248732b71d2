#pragma once

#include <memory>

#include "model/layout.h"
#include "model/preparation.h"
#include "model/sidecar.h"
#include "model/vit_geometry.h"
#include "soup/model.h"

namespace soup {

/// Reads the geometry of `like`, a Vision Transformer whose tensors are called
/// as in `layout`, and builds it without its weights.
/// Throws Error when a tensor is missing, unknown, or has another shape.
std::unique_ptr<Model> make_transformer(const Checkpoint& like,
                                        const Layout& layout,
                                        const Sidecar& sidecar,
                                        const VitDefaults& defaults,
                                        const Published& published,
                                        const at::Device& device);

}  // namespace soup
