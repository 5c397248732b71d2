#include <cstddef>
#include <cstdint>

#include "recipe/kernels.h"
#include "recipe/kernels_variants.h"

namespace soup {
namespace base {
namespace {
#include "recipe/kernel_loops.inc"
}  // namespace
}  // namespace base

constinit const Kernels kBaseKernels = base::make_kernels("base");

}  // namespace soup
