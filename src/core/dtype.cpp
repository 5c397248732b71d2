#include "core/dtype.h"

#include <array>

namespace soup {
namespace {

using enum DType;
using enum DTypeKind;

constexpr std::array kDTypes = {
    DTypeInfo{kBool, "BOOL", 8, kInteger, "bool", "BoolStorage"},
    DTypeInfo{kF4, "F4", 4, kOpaque, "float4_e2m1fn_x2", ""},
    DTypeInfo{kF6E2M3, "F6_E2M3", 6, kOpaque, "", ""},
    DTypeInfo{kF6E3M2, "F6_E3M2", 6, kOpaque, "", ""},
    DTypeInfo{kU8, "U8", 8, kInteger, "uint8", "ByteStorage"},
    DTypeInfo{kI8, "I8", 8, kInteger, "int8", "CharStorage"},
    DTypeInfo{kF8E5M2, "F8_E5M2", 8, kFloat, "float8_e5m2", ""},
    DTypeInfo{kF8E4M3, "F8_E4M3", 8, kFloat, "float8_e4m3fn", ""},
    DTypeInfo{kF8E8M0, "F8_E8M0", 8, kOpaque, "float8_e8m0fnu", ""},
    DTypeInfo{kF8E4M3Fnuz, "F8_E4M3FNUZ", 8, kFloat, "float8_e4m3fnuz", ""},
    DTypeInfo{kF8E5M2Fnuz, "F8_E5M2FNUZ", 8, kFloat, "float8_e5m2fnuz", ""},
    DTypeInfo{kI16, "I16", 16, kInteger, "int16", "ShortStorage"},
    DTypeInfo{kU16, "U16", 16, kInteger, "uint16", ""},
    DTypeInfo{kF16, "F16", 16, kFloat, "float16", "HalfStorage"},
    DTypeInfo{kBF16, "BF16", 16, kFloat, "bfloat16", "BFloat16Storage"},
    DTypeInfo{kI32, "I32", 32, kInteger, "int32", "IntStorage"},
    DTypeInfo{kU32, "U32", 32, kInteger, "uint32", ""},
    DTypeInfo{kF32, "F32", 32, kFloat, "float32", "FloatStorage"},
    DTypeInfo{kC64, "C64", 64, kComplex, "complex64", "ComplexFloatStorage"},
    DTypeInfo{kF64, "F64", 64, kFloat, "float64", "DoubleStorage"},
    DTypeInfo{kI64, "I64", 64, kInteger, "int64", "LongStorage"},
    DTypeInfo{kU64, "U64", 64, kInteger, "uint64", ""},
    DTypeInfo{kC128, "C128", 128, kComplex, "complex128",
              "ComplexDoubleStorage"},
};

}  // namespace

std::span<const DTypeInfo> dtypes() { return kDTypes; }

const DTypeInfo& info(DType dtype) {
  return kDTypes[static_cast<size_t>(dtype)];
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

}  // namespace soup
