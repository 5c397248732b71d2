#include <cstddef>
#include <cstdint>

#include "recipe/kernels.h"
#include "recipe/kernels_variants.h"

namespace soup {
namespace avx512 {
namespace {
#include "recipe/kernel_loops.inc"
}  // namespace
}  // namespace avx512

constinit const Kernels kAvx512Kernels = avx512::make_kernels("avx512");

}  // namespace soup
