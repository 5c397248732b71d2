#include "recipe/select.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "recipe/values.h"

namespace soup {
namespace {

using testing::Random;

struct Whole {
  PlannedTensor tensor;
  std::vector<TensorData> values;

  explicit Whole(DType dtype, const std::vector<double>& numbers) {
    tensor.out = {.name = "w",
                  .dtype = dtype,
                  .shape = {static_cast<int64_t>(numbers.size())}};
    tensor.sources.push_back({.dtype = dtype});
    values.emplace_back(testing::encode(dtype, numbers));
  }

  Cut cut(int64_t rank, int threads) const {
    const WholeTensor whole(
        tensor, values, threads, [](size_t, int64_t, int64_t) {},
        [](size_t, int64_t, int64_t) {});
    const Magnitudes magnitudes = {
        .reader =
            [&] {
              return [&](const Span& span, size_t, double* out) {
                whole.read(0, span, out);
                for (size_t i = 0; i < span.n; ++i) out[i] = std::fabs(out[i]);
              };
            },
        .are_floats = tensor.out.dtype != DType::kF64};
    const std::vector<Wanted> wanted = {{0, rank}};
    return select(whole, magnitudes, wanted).front();
  }
};

// The largest by a sort that keeps the order of equal ones.
std::vector<bool> largest(const std::vector<double>& numbers, int64_t rank) {
  std::vector<size_t> order(numbers.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::fabs(numbers[a]) > std::fabs(numbers[b]);
  });
  std::vector<bool> kept(numbers.size());
  for (int64_t i = 0; i < rank; ++i) kept[order[static_cast<size_t>(i)]] = true;
  return kept;
}

void expect_selects(DType dtype, const std::vector<double>& numbers) {
  const Whole whole(dtype, numbers);
  const std::vector<double> stored =
      testing::decode(dtype, testing::encode(dtype, numbers));
  const auto n = static_cast<int64_t>(numbers.size());
  for (int64_t rank : {int64_t{0}, int64_t{1}, n / 7, n / 2, n - 1, n}) {
    const Cut cut = whole.cut(rank, 3);
    const std::vector<bool> kept = largest(stored, rank);
    for (size_t i = 0; i < stored.size(); ++i) {
      ASSERT_EQ(cut.keeps(std::fabs(stored[i]), static_cast<int64_t>(i)),
                kept[i])
          << "rank " << rank << " element " << i;
    }
  }
}

TEST(Select, AgreesWithASort) {
  const std::vector<double> numbers = testing::random_weights(300000, 5);
  expect_selects(DType::kF32, numbers);
  expect_selects(DType::kF64, numbers);
  expect_selects(DType::kBF16, numbers);  // with many equal ones
}

TEST(Select, EqualNumbersGoByTheirIndex) {
  expect_selects(DType::kF32, std::vector<double>(400000, -2.5));
  expect_selects(DType::kF32, std::vector<double>(300, 0));
}

TEST(Select, ExtremesOfTheFormat) {
  expect_selects(DType::kF64, {0, -0.0, 5e-324, 1e308, -1e308, 1e-310, 1,
                               1 + 2.3e-16, -1, 3});
  expect_selects(DType::kF32, {0, 1e-45, -1e-45, 3e38, -3e38, 1, 1, 2});
}

}  // namespace
}  // namespace soup
