#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "soup/model.h"

namespace soup {

std::unique_ptr<Model> make_vit(const Checkpoint& like,
                                const nlohmann::ordered_json& sidecar,
                                const at::Device& device);

}  // namespace soup
