#include <cstddef>
#include <cstdint>

#include "recipe/kernels.h"
#include "recipe/kernels_variants.h"

namespace soup {
namespace avx2 {
namespace {
#include "recipe/kernel_loops.inc"
}  // namespace
}  // namespace avx2

constinit const Kernels kAvx2Kernels = avx2::make_kernels("avx2");

}  // namespace soup
