#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/dtype.h"

/// Arithmetic on numbers that come from files. No libtorch.
namespace soup {

/// More dimensions than any library has: shapes stay small whatever a file
/// says.
constexpr size_t kMaxDims = 64;

/// a + b or nullopt when it does not fit.
std::optional<int64_t> checked_add(int64_t a, int64_t b);
/// a * b or nullopt when it does not fit.
std::optional<int64_t> checked_multiply(int64_t a, int64_t b);

/// Product of `shape`, or nullopt when it overflows or an extent is negative.
std::optional<int64_t> checked_numel(std::span<const int64_t> shape);
/// Size of a tensor in bytes, or nullopt when it overflows or is no whole
/// number of bytes.
std::optional<int64_t> checked_bytes(DType dtype,
                                     std::span<const int64_t> shape);

}  // namespace soup
