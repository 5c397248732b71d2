#include <ATen/ATen.h>

#include <array>
#include <cstring>
#include <optional>

#include "core/text.h"
#include "soup/error.h"
#include "soup/model.h"

namespace soup {
namespace {

std::optional<at::ScalarType> scalar_type(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return at::kBool;
    case DType::kU8:
      return at::kByte;
    case DType::kI8:
      return at::kChar;
    case DType::kF8E5M2:
      return at::kFloat8_e5m2;
    case DType::kF8E4M3:
      return at::kFloat8_e4m3fn;
    case DType::kF8E4M3Fnuz:
      return at::kFloat8_e4m3fnuz;
    case DType::kF8E5M2Fnuz:
      return at::kFloat8_e5m2fnuz;
    case DType::kI16:
      return at::kShort;
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kI32:
      return at::kInt;
    case DType::kF32:
      return at::kFloat;
    case DType::kC64:
      return at::kComplexFloat;
    case DType::kF64:
      return at::kDouble;
    case DType::kI64:
      return at::kLong;
    case DType::kC128:
      return at::kComplexDouble;
    default:
      return std::nullopt;
  }
}

}  // namespace

at::Tensor to_tensor(const TensorInfo& info, const TensorData& data) {
  const std::optional<at::ScalarType> type = scalar_type(info.dtype);
  if (!type) {
    throw Error("'" + printable(info.name) + "' is " +
                std::string(name(info.dtype)) +
                ", which libtorch cannot compute with");
  }
  at::Tensor tensor = at::empty(info.shape, at::TensorOptions().dtype(*type));
  const std::span<const std::byte> bytes = data.bytes();
  if (bytes.size() != tensor.nbytes()) {
    throw Error("'" + printable(info.name) + "' has " +
                std::to_string(bytes.size()) + " bytes, expected " +
                std::to_string(tensor.nbytes()));
  }
  if (!bytes.empty()) {
    std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  }
  return tensor;
}

}  // namespace soup
