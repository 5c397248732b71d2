#include "recipe/kernels_variants.h"

namespace soup {

std::span<const Kernels* const> kernel_variants() {
  static constexpr std::array<const Kernels*, 1> kVariants = {&kBaseKernels};
  return kVariants;
}

}  // namespace soup
