#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/pickle.h"
#include "core/dtype.h"

/// Tensors and storages as torch pickles them. No libtorch.
namespace soup {

/// A storage as its persistent id describes it.
struct TorchStorage {
  std::string_view key = {};
  std::string_view type = {};       ///< FloatStorage, ...
  std::optional<DType> dtype = {};  ///< nullopt: untyped or quantised
  int64_t item_size = 1;  ///< of one of the `numel` elements, in bytes
  int64_t numel = 0;
  /// Legacy files: elements of the stored storage before this view of it.
  int64_t view_offset = 0;
  bool meta = false;  ///< of the device without values
};

/// A tensor: a view of a storage. Numbers are checked against each other, not
/// yet against the bytes present.
struct TorchTensor {
  TorchStorage storage = {};
  DType dtype = DType::kF32;
  std::vector<int64_t> shape = {};
  std::vector<int64_t> strides = {};  ///< in elements
  int64_t offset = 0;                 ///< of the first element, in bytes
  int64_t span = 0;  ///< bytes from the first element to the end of the last
};

/// The storage of a persistent id, nullopt for other ids.
/// Throws Error for numbers that cannot be.
std::optional<TorchStorage> read_storage(const Pickle&, PickleValue id,
                                         const std::string& where);

/// True when `value` would have been a tensor of whatever kind.
bool is_tensor(const Pickle&, PickleValue value);

/// Reads the tensor that is_tensor said `value` is; `where` names file and
/// tensor.
/// Throws Error for sparse, quantised, meta and other tensors that have no
/// plain values, and for numbers that cannot be.
TorchTensor read_tensor(const Pickle&, PickleValue value,
                        const std::string& where);

}  // namespace soup
