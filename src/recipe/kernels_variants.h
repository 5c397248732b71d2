#pragma once

#include "recipe/kernels.h"

namespace soup {

/// For every processor of the architecture.
extern const Kernels kBaseKernels;
/// x86 with AVX2 and FMA.
extern const Kernels kAvx2Kernels;
/// x86 with AVX-512 F, BW, DQ and VL.
extern const Kernels kAvx512Kernels;

}  // namespace soup
