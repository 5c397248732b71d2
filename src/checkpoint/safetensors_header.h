#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "soup/checkpoint.h"

/// The header of a safetensors file, read and written. No libtorch.
namespace soup {

struct SafetensorsHeader {
  /// In order of their data; aliases recorded in the metadata come last, tied
  /// to the tensor they stand for.
  std::vector<TensorInfo> tensors;
  /// Where the values of each tensor start in the file.
  std::vector<int64_t> offsets;
  std::map<std::string, std::string> metadata;  ///< without the aliases
};

/// Parses and validates a whole file as the reference implementation does, and
/// beyond: a header starts with `{`, and no key comes twice.
/// `where` names the file in messages. Throws Error.
SafetensorsHeader parse_safetensors(std::span<const std::byte> file,
                                    const std::string& where);

/// Order in which safetensors writes values: by falling dtype, then by name.
/// Tied tensors are left out.
std::vector<size_t> safetensors_order(std::span<const TensorInfo> tensors);

/// The bytes before the values: length and JSON, padded to a multiple of 8.
/// Tied tensors become aliases in the metadata, as safetensors' save_model
/// records them.
std::string format_safetensors_header(
    std::span<const TensorInfo> tensors, std::span<const size_t> order,
    const std::map<std::string, std::string>& metadata);

}  // namespace soup
