#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"

/// The JSON of a safetensors header as it stands, not yet validated.
namespace soup {

struct RawTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  int64_t begin = 0;
  int64_t end = 0;
};

struct RawHeader {
  std::vector<RawTensor> tensors;  ///< in order of appearance
  std::map<std::string, std::string> metadata;
};

/// Throws Error for JSON that is no safetensors header: wrong types, missing
/// fields, keys given twice (tensor names excepted: the caller sees all).
RawHeader parse_header_json(std::string_view json, const std::string& where);

}  // namespace soup
