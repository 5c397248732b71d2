#include "model/weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

const std::vector<TensorInfo> kTensors = {{.name = "a", .shape = {2, 3}},
                                          {.name = "b", .shape = {3}}};

std::vector<Slot> slots(const Layout& layout = Layout()) {
  return {layout.slot("a", {2, 3}), layout.slot("b", {3})};
}

MemoryCheckpoint checkpoint(std::vector<TensorInfo> tensors) {
  return {"x.safetensors", std::move(tensors)};
}

void fill(MemoryCheckpoint& to, size_t index, const at::Tensor& values) {
  ASSERT_EQ(to.mutable_bytes(index).size(), values.nbytes());
  std::memcpy(to.mutable_bytes(index).data(), values.data_ptr(),
              values.nbytes());
}

TEST(Weights, LoadConvertsToFloat32InPlace) {
  Weights weights(slots(), matching(""), at::kCPU);
  const at::Tensor a = weights["a"];
  const void* place = a.data_ptr();
  const at::Tensor values = at::arange(6, at::kFloat).view({2, 3}) / 4;
  for (const auto& [dtype, type] :
       {std::pair(DType::kF32, at::kFloat), std::pair(DType::kF16, at::kHalf),
        std::pair(DType::kBF16, at::kBFloat16),
        std::pair(DType::kF64, at::kDouble)}) {
    // Another order, as in another file.
    MemoryCheckpoint from =
        checkpoint({{.name = "b", .dtype = dtype, .shape = {3}},
                    {.name = "a", .dtype = dtype, .shape = {2, 3}}});
    fill(from, 1, values.to(type));
    weights.load(checkpoint(kTensors));  // zeros
    EXPECT_FALSE(at::equal(a, values));
    weights.load(from);
    EXPECT_TRUE(at::equal(a, values));
    EXPECT_EQ(weights["a"].data_ptr(), place);
  }
}

TEST(Weights, EachStartsAtACacheLine) {
  Weights weights(slots(), matching(""), at::kCPU);
  for (const char* name : {"a", "b"}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(weights[name].data_ptr()) % 64, 0U);
  }
  EXPECT_FALSE(weights["c"].defined());
}

TEST(Weights, NamesTheTensorThatDoesNotFit) {
  Weights weights(slots(), matching(""), at::kCPU);
  const auto refused = [&](std::vector<TensorInfo> tensors,
                           const std::string& message) {
    const MemoryCheckpoint other = checkpoint(std::move(tensors));
    expect_error<Error>([&] { weights.load(other); },
                        "x.safetensors: " + message);
  };
  refused({{.name = "a", .shape = {2, 3}}},
          "'b' is missing; the model needs it as [3]");
  refused({{.name = "a", .shape = {3, 2}}, {.name = "b", .shape = {3}}},
          "'a' is [3, 2], but the model has [2, 3]");
  refused({{.name = "a", .dtype = DType::kI64, .shape = {2, 3}},
           {.name = "b", .shape = {3}}},
          "'a' is I64, expected a float type");
  refused({{.name = "a", .shape = {2, 3}},
           {.name = "b", .shape = {3}},
           {.name = "c\x1b", .shape = {}}},
          "'c\\x1b' has no place in the model");
}

TEST(Weights, SourcesAreStackedOrTransposed) {
  const Layout layout({{"a", {"x.q", "x.k"}}, {"b", {"y"}, 0, true}});
  Weights weights({layout.slot("a.bias", {6}), layout.slot("b", {2, 3})},
                  matching("^z"), at::kCPU);
  for (const auto& [dtype, type] : {std::pair(DType::kF32, at::kFloat),
                                    std::pair(DType::kF16, at::kHalf)}) {
    MemoryCheckpoint from =
        checkpoint({{.name = "x.k.bias", .dtype = dtype, .shape = {3}},
                    {.name = "x.q.bias", .dtype = dtype, .shape = {3}},
                    {.name = "y", .dtype = dtype, .shape = {3, 2}},
                    {.name = "z", .dtype = DType::kI64, .shape = {1}}});
    const at::Tensor y = at::arange(6, at::kFloat).view({3, 2});
    fill(from, 0, at::arange(3, 6, at::kFloat).to(type));
    fill(from, 1, at::arange(3, at::kFloat).to(type));
    fill(from, 2, y.to(type));
    weights.load(checkpoint({{.name = "x.k.bias", .shape = {3}},
                             {.name = "x.q.bias", .shape = {3}},
                             {.name = "y", .shape = {3, 2}}}));  // zeros
    weights.load(from);
    EXPECT_TRUE(at::equal(weights["a.bias"], at::arange(6, at::kFloat)));
    EXPECT_TRUE(at::equal(weights["b"], y.t()));
  }
}

}  // namespace
}  // namespace soup
