#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "soup/error.h"
#include "soup/model.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

TensorData zeros(int64_t bytes) {
  return TensorData(std::vector<std::byte>(static_cast<size_t>(bytes)));
}

TEST(ToTensor, KeepsTypeShapeAndValues) {
  std::vector<std::byte> bytes(13);
  const std::vector<float> values = {1.5F, -2.0F, 3.25F};
  std::memcpy(bytes.data() + 1, values.data(), 12);  // unaligned
  const TensorData data(std::span<const std::byte>(bytes).subspan(1));
  const at::Tensor tensor =
      to_tensor({.name = "x", .dtype = DType::kF32, .shape = {3, 1}}, data);
  EXPECT_TRUE(at::equal(tensor, at::tensor({1.5F, -2.0F, 3.25F}).view({3, 1})));
}

TEST(ToTensor, KnowsEveryTypeThatLibtorchHas) {
  int known = 0;
  for (const DTypeInfo& type : dtypes()) {
    const TensorInfo info{.name = "x", .dtype = type.dtype, .shape = {8}};
    try {
      const at::Tensor tensor = to_tensor(info, zeros(info.bytes()));
      EXPECT_EQ(static_cast<int64_t>(tensor.nbytes()), info.bytes());
      EXPECT_EQ(std::string(toString(tensor.scalar_type())).empty(), false);
      ++known;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr(std::string(type.name)));
    }
  }
  EXPECT_EQ(known, 16);
}

TEST(ToTensor, ScalarsAndEmptyTensors) {
  EXPECT_EQ(to_tensor({.name = "x"}, zeros(4)).dim(), 0);
  EXPECT_EQ(to_tensor({.name = "x", .shape = {0, 3}}, zeros(0)).numel(), 0);
}

TEST(ToTensor, ByteCountMustFit) {
  expect_error<Error>([] { to_tensor({.name = "x"}, zeros(3)); },
                      "'x' has 3 bytes, expected 4");
}

}  // namespace
}  // namespace soup
