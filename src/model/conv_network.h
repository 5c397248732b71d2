#pragma once

#include <string_view>

#include "model/sidecar.h"
#include "soup/model.h"

/// What convolutional networks have in common.
namespace soup {

/// See Model::unit(): about eight pictures of 224 x 224 pixels, so that the
/// activations of a stage stay near a core.
int64_t conv_unit(const ModelInput& input);

/// Throws Error when the config asks for another activation than `activation`,
/// or for something else that names and shapes do not show and that is not
/// computed here.
void check_conv_arguments(const Sidecar& sidecar, std::string_view activation);

}  // namespace soup
