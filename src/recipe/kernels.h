#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.h"
#include "recipe/task_kernels.h"

/// The loops over values, compiled once per instruction set. All variants give
/// the same bytes: only IEEE operations in a fixed order, never contracted.
namespace soup {

/// Float formats, in the order of the arrays of Kernels.
enum class FloatFormat : uint8_t {
  kF64,
  kF32,
  kBF16,
  kF16,
  kF8E4M3,
  kF8E5M2,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
};
inline constexpr size_t kFloatFormats = 8;

struct Kernels {
  /// acc[i] = weight * in[i] when `first`, else acc[i] += weight * in[i].
  /// `in`: n values of the format, of any alignment.
  using Accumulate = void (*)(const std::byte* in, size_t n, double weight,
                              bool first, double* acc);
  /// Rounds to nearest even; every NaN becomes the format's positive one.
  using Narrow = void (*)(const double* in, size_t n, std::byte* out);

  const char* name;  ///< of the instruction set
  std::array<Accumulate, kFloatFormats> accumulate;
  std::array<Narrow, kFloatFormats> narrow;
  /// The same sum with its rounding errors collected in `error`.
  void (*accumulate_pair)(const double* in, size_t n, double weight, bool first,
                          double* acc, double* error);
  void (*divide)(double* acc, size_t n, double divisor);
  /// acc = (acc + error) / (divisor + divisor_error).
  void (*divide_pair)(double* acc, const double* error, size_t n,
                      double divisor, double divisor_error);
  bool (*all_finite)(const double* values, size_t n);
  /// Widens [low, high] to the magnitudes (bits without sign) of the bfloat16
  /// values that are not zero; `low` is one less than the magnitude.
  void (*bf16_range)(const std::byte* in, size_t n, uint16_t* low,
                     uint16_t* high);
  TaskKernels task;
};

/// Variants this processor can run, the fastest first.
std::span<const Kernels* const> kernel_variants();
/// The fastest of them.
const Kernels& kernels();

/// Format of the values of `dtype`, of the parts for complex numbers. Must be
/// a float or complex type.
FloatFormat float_format(DType dtype);
size_t format_bytes(FloatFormat);

}  // namespace soup
