#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "recipe/kernels.h"
#include "soup/recipe.h"

namespace soup {
namespace {

constexpr size_t kBlock = 4096;
using Block = std::array<double, kBlock>;

template <typename T>
void widen_integers(const std::byte* in, size_t n, double* out) {
  for (size_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, in + i * sizeof value, sizeof value);
    out[i] = static_cast<double>(value);
  }
}

using Widen = void (*)(const std::byte* in, size_t n, double* out);

Widen integer_widener(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kU8:
      return widen_integers<uint8_t>;
    case DType::kI8:
      return widen_integers<int8_t>;
    case DType::kI16:
      return widen_integers<int16_t>;
    case DType::kU16:
      return widen_integers<uint16_t>;
    case DType::kI32:
      return widen_integers<int32_t>;
    case DType::kU32:
      return widen_integers<uint32_t>;
    case DType::kI64:
      return widen_integers<int64_t>;
    default:
      return widen_integers<uint64_t>;
  }
}

/// The values of a tensor as float64, a block at a time.
class Values {
 public:
  Values(const TensorInfo& tensor, const TensorData& data)
      : dtype_(tensor.dtype), bytes_(data.bytes()) {
    const bool complex = info(dtype_).kind == DTypeKind::kComplex;
    item_ = static_cast<size_t>(bits(dtype_)) / (complex ? 16 : 8);
  }

  size_t count() const { return bytes_.size() / item_; }

  std::span<const double> block(size_t begin, Block& out) const {
    const size_t n = std::min(kBlock, count() - begin);
    const std::byte* in = bytes_.data() + begin * item_;
    if (info(dtype_).kind == DTypeKind::kInteger) {
      integer_widener(dtype_)(in, n, out.data());
    } else {
      const auto format = static_cast<size_t>(float_format(dtype_));
      kernels().accumulate[format](in, n, 1.0, true, out.data());
    }
    return {out.data(), n};
  }

 private:
  DType dtype_;
  std::span<const std::byte> bytes_;
  size_t item_ = 1;
};

/// Calls `visit` with every block of both and returns the number of values.
template <typename Visit>
size_t for_both(const Values& a, const Values& b, const Visit& visit) {
  Block block_a;
  Block block_b;
  const size_t count = std::min(a.count(), b.count());
  for (size_t begin = 0; begin < count; begin += kBlock) {
    visit(a.block(begin, block_a), b.block(begin, block_b));
  }
  return count;
}

bool is_number(DType dtype) { return info(dtype).kind != DTypeKind::kOpaque; }

}  // namespace

std::optional<TensorStats> tensor_stats(const TensorInfo& tensor,
                                        const TensorData& data) {
  if (!is_number(tensor.dtype)) return std::nullopt;
  const Values values(tensor, data);
  TensorStats stats;
  stats.min = std::numeric_limits<double>::infinity();
  stats.max = -stats.min;
  double sum = 0;
  double squares = 0;
  Block block;
  for (size_t begin = 0; begin < values.count(); begin += kBlock) {
    for (const double x : values.block(begin, block)) {
      if (!std::isfinite(x)) {
        ++stats.nonfinite;
        continue;
      }
      stats.min = std::min(stats.min, x);
      stats.max = std::max(stats.max, x);
      stats.zeros += x == 0 ? 1 : 0;
      sum += x;
      squares += x * x;
    }
  }
  const auto finite = static_cast<double>(values.count()) -
                      static_cast<double>(stats.nonfinite);
  if (finite == 0) {
    stats.min = stats.max = 0;
    return stats;
  }
  stats.mean = sum / finite;
  stats.std =
      std::sqrt(std::max(0.0, squares / finite - stats.mean * stats.mean));
  stats.norm = std::sqrt(squares);
  return stats;
}

TensorDifference tensor_difference(const TensorInfo& a, const TensorData& va,
                                   const TensorInfo& b, const TensorData& vb) {
  TensorDifference result;
  result.equal =
      a.dtype == b.dtype && std::ranges::equal(va.bytes(), vb.bytes());
  result.cosine = std::numeric_limits<double>::quiet_NaN();
  if (!is_number(a.dtype) || !is_number(b.dtype)) {
    result.max_abs = result.mean_abs = result.cosine;
    return result;
  }
  const Values left(a, va);
  const Values right(b, vb);
  double sum = 0;
  double dot = 0;
  double norm_a = 0;
  double norm_b = 0;
  const size_t count = for_both(left, right, [&](auto x, auto y) {
    for (size_t i = 0; i < x.size(); ++i) {
      const double difference = std::abs(x[i] - y[i]);
      // Not std::max, which would lose a NaN.
      if (!(difference <= result.max_abs) && !std::isnan(result.max_abs)) {
        result.max_abs = difference;
      }
      sum += difference;
      dot += x[i] * y[i];
      norm_a += x[i] * x[i];
      norm_b += y[i] * y[i];
    }
  });
  if (count > 0) result.mean_abs = sum / static_cast<double>(count);
  if (norm_a > 0 && norm_b > 0) {
    result.cosine = dot / std::sqrt(norm_a) / std::sqrt(norm_b);
  }
  return result;
}

double inner_product(const TensorInfo& a, const TensorData& va,
                     const TensorInfo& b, const TensorData& vb) {
  if (!is_number(a.dtype) || !is_number(b.dtype)) return 0;
  const Values left(a, va);
  const Values right(b, vb);
  // Several sums, which the processor can add to at once.
  constexpr size_t kSums = 8;
  std::array<double, kSums> sums = {};
  for_both(left, right, [&](auto x, auto y) {
    const size_t whole = x.size() / kSums * kSums;
    for (size_t i = 0; i < whole; i += kSums) {
      for (size_t k = 0; k < kSums; ++k) sums[k] += x[i + k] * y[i + k];
    }
    for (size_t i = whole; i < x.size(); ++i) sums[0] += x[i] * y[i];
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace soup
