#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace soup {

/// Element types, in safetensors' own order: its files sort by it.
enum class DType : uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
  kC128,  // torch only: safetensors has no such type
};

/// What may be done with the values.
enum class DTypeKind : uint8_t {
  kFloat,    ///< can be averaged
  kComplex,  ///< can be averaged, two floats an element
  kInteger,  ///< must be equal
  kOpaque,   ///< carried as bytes (sub-byte floats, exponents)
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;  ///< safetensors' name: F32, BF16, ...
  int bits;               ///< size of one element
  DTypeKind kind;
  std::string_view torch;          ///< torch's name: float32, ...
  std::string_view storage_class;  ///< torch's storage, empty: untyped only
};

/// All element types, indexed by DType.
std::span<const DTypeInfo> dtypes();
const DTypeInfo& info(DType);
inline std::string_view name(DType dtype) { return info(dtype).name; }
inline int bits(DType dtype) { return info(dtype).bits; }
inline bool is_float(DType dtype) {
  return info(dtype).kind == DTypeKind::kFloat;
}
/// The type with safetensors' name `name`, or nullopt.
std::optional<DType> dtype_from_name(std::string_view name);

}  // namespace soup
