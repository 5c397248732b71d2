#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "soup/recipe.h"

namespace soup {

/// The values of all sources of the tensors that are being mixed: read when
/// the first tile wants them, let go after the last.
class OpenSources {
 public:
  OpenSources(const Plan& plan, std::span<const Checkpoint* const> ingredients);

  /// Values of every source of output tensor `tensor`. Thread-safe; valid until
  /// the tensor's last done().
  std::span<const TensorData> get(size_t tensor);
  /// Called once for every tile.
  void done(size_t tensor);

 private:
  struct Tensor {
    std::once_flag read;
    std::vector<TensorData> sources;
    std::atomic<int64_t> tiles_left{0};
  };

  const Plan& plan_;
  std::span<const Checkpoint* const> ingredients_;
  std::unique_ptr<Tensor[]> tensors_;
};

}  // namespace soup
