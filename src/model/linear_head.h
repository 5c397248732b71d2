#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>

namespace soup {

/// A linear head that lies in a file of its own.
struct LinearHead {
  at::Tensor weight;       ///< float32 [classes, features]; undefined: none
  at::Tensor bias;         ///< float32 [classes] or undefined
  bool unit_rows = false;  ///< the rows have length 1, as embedded texts have
  std::string hash;        ///< of weight and bias
};

/// Reads the only matrix of `path`, [classes, features] or, as open_clip builds
/// zero-shot classifiers, [features, classes], and its bias, if any.
/// Throws Error when there is none for that many features.
LinearHead read_linear_head(const std::filesystem::path& path, int64_t features,
                            const at::Device& device);

}  // namespace soup
