#include "eval/ready_inputs.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "core/log.h"
#include "soup/error.h"
#include "soup/eval.h"
#include "support/expect_error.h"
#include "support/random_vit.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::random_vit;

template <typename T>
ReadyInput input(const std::string& name, DType dtype,
                 std::vector<int64_t> shape, const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {.info = {.name = name, .dtype = dtype, .shape = std::move(shape)},
          .values = {bytes.begin(), bytes.end()}};
}

/// Two examples of three tokens, and a model that takes them.
class ReadyInputs : public ::testing::Test {
 protected:
  ReadyInputs() {
    examples_.count = 2;
    examples_.inputs = {
        input<int32_t>("ids", DType::kI32, {2, 3}, {1, 2, 3, 4, 5, 6}),
        input<uint8_t>("mask", DType::kBool, {2, 3}, {1, 1, 0, 1, 1, 1}),
        input<float>("age", DType::kF32, {2}, {0.5F, 2})};
    model_.tensors = {{.name = "mask", .shape = {3}, .limit = 2},
                      {.name = "age", .shape = {}},
                      {.name = "ids", .shape = {3}, .limit = 7}};
  }

  void expect_refused(const std::string& message) {
    expect_error<Error>([&] { ready_inputs(examples_, model_, "mrpc"); },
                        "mrpc: " + message);
  }

  Examples examples_;
  ModelInput model_;
};

TEST_F(ReadyInputs, ComeInTheModelsOrder) {
  const auto tensors = ready_inputs(examples_, model_, "x");
  ASSERT_EQ(tensors.size(), 3U);
  EXPECT_EQ(tensors[0].scalar_type(), at::kBool);
  EXPECT_EQ(tensors[1][1].item<float>(), 2);
  EXPECT_TRUE(at::equal(tensors[2], at::arange(1, 7, at::kInt).view({2, 3})));
}

TEST_F(ReadyInputs, NamesAreTheModels) {
  model_.tensors.pop_back();
  expect_refused(
      "has the input 'ids', which the model does not take; it takes 'mask', "
      "'age'");
  model_.tensors.push_back({.name = "ids", .shape = {3}, .limit = 7});
  model_.tensors.push_back({.name = "types", .shape = {3}, .limit = 2});
  expect_refused("has no input 'types', which the model takes");
}

TEST_F(ReadyInputs, ShapesKindsAndRangesAreTheModels) {
  examples_.inputs[1].info.shape = {2, 1, 3};
  expect_refused("'mask' is [1, 3] for each example, but the model takes [3]");
  examples_.inputs[1].info.shape = {2, 3};
  examples_.inputs[0].info.dtype = DType::kF32;
  expect_refused("'ids' is F32, but the model takes whole numbers");
  examples_.inputs[0].info.dtype = DType::kI32;
  model_.tensors[2].limit = 6;
  expect_refused("'ids' holds 6, but the model takes 0 to 5");
  model_.tensors[2].limit = 0;
  expect_refused("'ids' is I32, but the model takes floats");
}

/// Pictures as ready inputs for a network that soup knows.
TEST(ReadyPictures, ScoreAsPicturesDo) {
  log::set_level(log::Level::kQuiet);
  constexpr int64_t kCount = 70;
  const testing::TempFolder folder;
  const at::Tensor pictures = at::rand({kCount, 1, 8, 8}, at::kFloat);
  const auto weights = random_vit();
  const auto model = make_model("vit", *weights, at::kCPU);
  model->load(*weights);
  const at::Tensor logits = model->forward(pictures);
  const at::Tensor labels = logits.argmax(1);

  MemoryCheckpoint data(
      "x", {{.name = "pictures", .shape = {kCount, 1, 8, 8}},
            {.name = "labels", .dtype = DType::kI64, .shape = {kCount}}});
  std::memcpy(data.mutable_bytes(0).data(), pictures.const_data_ptr(),
              pictures.nbytes());
  std::memcpy(data.mutable_bytes(1).data(), labels.const_data_ptr(),
              labels.nbytes());
  DatasetSpec spec;
  spec.name = "ready";
  spec.loader = "tensors";
  spec.inputs[""] = spec.labels_file = folder / "data.safetensors";
  save_checkpoint(data, spec.labels_file);

  std::vector<float> found;
  EvaluateOptions watched;
  watched.logits = [&](std::span<const Verdict>, std::span<const float> rows) {
    found.insert(found.end(), rows.begin(), rows.end());
  };
  const auto evaluators = make_evaluators(std::span(&spec, 1), *weights,
                                          {.device = "cpu", .batch_size = 16});
  EXPECT_EQ(evaluators.front()->evaluate(*weights, watched)->correct, kCount);
  const at::Tensor rows = at::tensor(found).view_as(logits);
  EXPECT_LT((rows - logits).abs().max().item<float>(), 1e-5);
  log::set_level(log::Level::kNormal);
}

}  // namespace
}  // namespace soup
