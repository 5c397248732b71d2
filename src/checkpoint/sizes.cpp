#include "checkpoint/sizes.h"

namespace soup {

std::optional<int64_t> checked_add(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

std::optional<int64_t> checked_multiply(int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

std::optional<int64_t> checked_numel(std::span<const int64_t> shape) {
  std::optional<int64_t> numel = 1;
  for (int64_t extent : shape) {
    if (extent < 0) return std::nullopt;
    numel = checked_multiply(*numel, extent);
    if (!numel) return std::nullopt;
  }
  return numel;
}

std::optional<int64_t> checked_bytes(DType dtype,
                                     std::span<const int64_t> shape) {
  const std::optional<int64_t> numel = checked_numel(shape);
  if (!numel) return std::nullopt;
  const std::optional<int64_t> all = checked_multiply(*numel, bits(dtype));
  if (!all || *all % 8 != 0) return std::nullopt;
  return *all / 8;
}

}  // namespace soup
