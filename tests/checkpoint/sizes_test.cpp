#include "checkpoint/sizes.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace soup {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

std::optional<int64_t> bytes_of(DType dtype, std::vector<int64_t> shape) {
  return checked_bytes(dtype, shape);
}

TEST(Sizes, NoticeOverflow) {
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_add(kMax, 0), kMax);
  EXPECT_EQ(checked_multiply(int64_t{1} << 32, int64_t{1} << 31), std::nullopt);
  EXPECT_EQ(checked_multiply(int64_t{1} << 31, int64_t{1} << 31),
            int64_t{1} << 62);
}

TEST(Sizes, OfTensors) {
  EXPECT_EQ(bytes_of(DType::kF32, {2, 3}), 24);
  EXPECT_EQ(bytes_of(DType::kF32, {}), 4);
  EXPECT_EQ(bytes_of(DType::kF32, {7, 0}), 0);
  EXPECT_EQ(bytes_of(DType::kF4, {2}), 1);
  EXPECT_EQ(bytes_of(DType::kF6E2M3, {4}), 3);
}

TEST(Sizes, RefuseWhatCannotBe) {
  EXPECT_EQ(bytes_of(DType::kF4, {3}), std::nullopt);  // half a byte
  EXPECT_EQ(bytes_of(DType::kF32, {-1}), std::nullopt);
  EXPECT_EQ(bytes_of(DType::kF32, {kMax, 2}), std::nullopt);
  EXPECT_EQ(bytes_of(DType::kF64, {kMax / 8}), std::nullopt);  // in bits
}

}  // namespace
}  // namespace soup
