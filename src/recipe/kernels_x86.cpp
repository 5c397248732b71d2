#include <vector>

#include "recipe/kernels_variants.h"

namespace soup {

std::span<const Kernels* const> kernel_variants() {
  static const std::vector<const Kernels*> variants = [] {
    std::vector<const Kernels*> found;
    const bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      found.push_back(&kAvx512Kernels);
    }
    if (avx2) found.push_back(&kAvx2Kernels);
    found.push_back(&kBaseKernels);
    return found;
  }();
  return variants;
}

}  // namespace soup
