#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/budget.h"
#include "checkpoint/pickle.h"
#include "checkpoint/torch_tensor.h"
#include "soup/checkpoint.h"

/// The state dict of a torch file of either kind. No libtorch.
namespace soup {

/// Where the values of a tensor lie in the file.
struct TorchPlace {
  int64_t begin = 0;  ///< byte of the first element
  int64_t span = 0;   ///< bytes to the end of the last element
  /// In elements; empty when the values are contiguous.
  std::vector<int64_t> strides;
};

struct TorchContents {
  std::vector<TensorInfo> tensors = {};  ///< in order of the dict
  std::vector<TorchPlace> places = {};
  std::map<std::string, std::string> metadata = {};
  /// What else the file holds: names and kinds.
  std::vector<std::pair<std::string, std::string>> extras = {};
  std::string notice = {};  ///< for the log; empty: nothing worth saying
  /// False for what torch saved without a single tensor: arguments, scalars.
  bool has_storages = true;
};

/// Bytes [begin, begin + size) of the file.
struct TorchExtent {
  int64_t begin = 0;
  int64_t size = 0;
};

/// Where a storage lies. Throws Error when it is not in the file.
using FindStorage =
    std::function<TorchExtent(const TorchStorage&, const std::string& where)>;

/// Reads the weights that `options` choose from `pickle`. `file_size` bounds
/// what tensors of repeated elements may unfold to.
/// Throws Error naming file and tensor.
TorchContents read_state_dict(const Pickle& pickle, const OpenOptions& options,
                              const std::string& where, int64_t file_size,
                              Budget& budget, const FindStorage& find_storage);

/// Copies strided elements of `item` bytes to `out` in C order.
void gather(std::span<const std::byte> from, std::span<const int64_t> shape,
            std::span<const int64_t> strides, size_t item, std::byte* out);

}  // namespace soup
