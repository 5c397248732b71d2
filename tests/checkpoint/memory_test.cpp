#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "soup/checkpoint.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::as_text;
using testing::expect_error;

std::vector<TensorInfo> three() {
  return {{.name = "a", .dtype = DType::kF32, .shape = {2, 3}},
          {.name = "b", .dtype = DType::kI64, .shape = {}},
          {.name = "c", .dtype = DType::kF32, .shape = {2, 3}, .tied_to = 0}};
}

TEST(TensorInfo, CountsElementsAndBytes) {
  const TensorInfo f4{.name = "x", .dtype = DType::kF4, .shape = {3, 2}};
  EXPECT_EQ(f4.numel(), 6);
  EXPECT_EQ(f4.bytes(), 3);
  EXPECT_EQ(three()[0].bytes(), 24);
  EXPECT_EQ(three()[1].numel(), 1);
  EXPECT_EQ((TensorInfo{.name = "e", .shape = {4, 0}}).bytes(), 0);
}

TEST(MemoryCheckpoint, StartsWithAlignedZeros) {
  const MemoryCheckpoint memory("m", three());
  EXPECT_EQ(as_text(memory.read(0).bytes()), std::string(24, '\0'));
  EXPECT_EQ(as_text(memory.read(1).bytes()), std::string(8, '\0'));
  for (size_t i = 0; i < 3; ++i) {
    const auto at = reinterpret_cast<uintptr_t>(memory.read(i).bytes().data());
    EXPECT_EQ(at % 64, 0U);
  }
}

TEST(MemoryCheckpoint, TiedTensorsShareTheirValues) {
  MemoryCheckpoint memory("m", three());
  memory.mutable_bytes(2)[5] = std::byte{7};
  EXPECT_EQ(memory.read(0).bytes()[5], std::byte{7});
  EXPECT_EQ(memory.read(1).bytes()[5], std::byte{0});
}

TEST(MemoryCheckpoint, RefusesATieThatLeadsNowhere) {
  std::vector<TensorInfo> tensors = three();
  tensors[2].shape = {3, 2};
  expect_error<Error>([&] { MemoryCheckpoint("m", tensors); }, "'c' is tied");
  tensors = three();
  tensors[1].tied_to = 1;
  expect_error<Error>([&] { MemoryCheckpoint("m", tensors); }, "'b' is tied");
}

TEST(Checkpoint, FindsTensorsByName) {
  const MemoryCheckpoint memory("m", three());
  EXPECT_EQ(memory.find("c"), 2U);
  EXPECT_EQ(memory.find("b"), 1U);
  EXPECT_EQ(memory.find("d"), std::nullopt);
}

}  // namespace
}  // namespace soup
