#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "soup/checkpoint.h"

/// What writers of all formats need.
namespace soup {

/// Keeps a writer's users honest: ranges inside the tensors, every byte of
/// every tensor written before commit. Thread-safe.
class Coverage {
 public:
  /// Throws Error when a name comes twice or a tie leads nowhere.
  /// `tensors` must outlive this object.
  Coverage(const std::filesystem::path& out,
           std::span<const TensorInfo> tensors);

  /// Notes that `size` bytes at `offset` of tensor `index` are being written.
  /// False for a tied tensor: its values are those of another. Throws Error for
  /// a range outside the tensor.
  bool add(size_t index, int64_t offset, size_t size);
  /// Throws Error when bytes are missing.
  void check_complete() const;

 private:
  std::string where_;
  std::span<const TensorInfo> tensors_;
  int64_t expected_ = 0;
  std::atomic<int64_t> written_{0};
};

}  // namespace soup
