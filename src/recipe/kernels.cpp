#include "recipe/kernels.h"

#include <stdexcept>

namespace soup {

const Kernels& kernels() { return *kernel_variants().front(); }

FloatFormat float_format(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kC128:
      return FloatFormat::kF64;
    case DType::kF32:
    case DType::kC64:
      return FloatFormat::kF32;
    case DType::kBF16:
      return FloatFormat::kBF16;
    case DType::kF16:
      return FloatFormat::kF16;
    case DType::kF8E4M3:
      return FloatFormat::kF8E4M3;
    case DType::kF8E5M2:
      return FloatFormat::kF8E5M2;
    case DType::kF8E4M3Fnuz:
      return FloatFormat::kF8E4M3Fnuz;
    case DType::kF8E5M2Fnuz:
      return FloatFormat::kF8E5M2Fnuz;
    default:
      throw std::logic_error("not a float type");
  }
}

size_t format_bytes(FloatFormat format) {
  constexpr std::array<size_t, kFloatFormats> kBytes = {8, 4, 2, 2, 1, 1, 1, 1};
  return kBytes[static_cast<size_t>(format)];
}

}  // namespace soup
