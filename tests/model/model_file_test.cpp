#include "model/model_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <fstream>

#include "core/log.h"
#include "model/self_test.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;

constexpr int64_t kClasses = 3;

/// Weights for the module below: `body.weight` all `value`.
std::unique_ptr<MemoryCheckpoint> weights_of(float value) {
  auto made = std::make_unique<MemoryCheckpoint>(
      "weights", std::vector<TensorInfo>{
                     {.name = "weight", .shape = {kClasses, 1}},
                     {.name = "scale", .shape = {}},
                     {.name = "steps", .dtype = DType::kI64, .shape = {}}});
  const std::vector<float> values(kClasses, value);
  std::copy_n(std::as_bytes(std::span(values)).begin(),
              kClasses * sizeof(float), made->mutable_bytes(0).begin());
  const float two = 2;
  std::copy_n(std::as_bytes(std::span(&two, 1)).begin(), sizeof two,
              made->mutable_bytes(1).begin());
  return made;
}

/// Logits are weight * scale * (mean of the picture).
class Script : public ::testing::Test {
 protected:
  Script() { log::set_level(log::Level::kQuiet); }
  ~Script() override { log::set_level(log::Level::kNormal); }

  std::string save(const std::string& forward, bool with_weights = true) {
    torch::jit::Module module("Net");
    if (with_weights) {
      module.register_parameter("weight", at::zeros({kClasses, 1}), false);
    }
    module.register_buffer("scale", at::ones({}));
    module.register_buffer("steps", at::zeros({}, at::kLong));
    module.define("def forward(self, x):\n  " + forward + "\n");
    const std::string path = (folder_ / "net.ts").string();
    module.save(path);
    return path;
  }

  testing::TempFolder folder_;
};

constexpr const char* kForward =
    "return x.mean([1, 2, 3]).unsqueeze(1) @ self.weight.t() * self.scale";

TEST_F(Script, ComputesWithTheWeightsItIsGiven) {
  const auto first = weights_of(1);
  const auto model = make_model(save(kForward), *first, at::kCPU);
  EXPECT_EQ(model->classes(), kClasses);
  EXPECT_EQ(model->input().channels, 3);
  EXPECT_TRUE(model->input().any_size);
  const at::Tensor pictures = at::full({4, 3, 8, 8}, 0.5);
  for (const float value : {1.0F, -3.0F, 7.0F}) {
    model->load(*weights_of(value));
    const at::Tensor logits = model->forward(pictures);
    EXPECT_TRUE(at::allclose(logits, at::full({4, kClasses}, value)));
  }
}

TEST_F(Script, TakesTheSizeThatItsProgramAccepts) {
  const auto model = make_model(
      save("return x.view([-1, 3072]).mean([1], True) @ self.weight.t() * "
           "self.scale"),
      *weights_of(1), at::kCPU);
  // 3 x 224 x 224 divides into rows of 3072 too, but into other numbers.
  EXPECT_EQ(model->input().height, 32);
}

TEST_F(Script, RefusesWhatCannotBeScored) {
  const auto weights = weights_of(1);
  const auto make = [&](const std::string& name) {
    make_model(name, *weights, at::kCPU);
  };
  expect_error<Error>([&] { make((folder_ / "no.ts").string()); },
                      "no such file");
  const std::string noise = (folder_ / "noise.pth").string();
  std::ofstream(noise) << "no module";
  expect_error<Error>([&] { make(noise); }, "is no TorchScript file");
  expect_error<Error>(
      [&] { make(save("return x.mean() + self.weight * self.scale")); },
      "does not give logits");
  expect_error<Error>([&] { make(save("return x", false)); },
                      "'weight' has no place in the model");
}

TEST(ExportedFile, RefusesWhatIsNone) {
  const testing::TempFolder folder;
  const std::string noise = (folder / "noise.pt2").string();
  std::ofstream(noise) << "no package";
  expect_error<Error>([&] { make_model(noise, *weights_of(1), at::kCPU); },
                      "noise.pt2: cannot be loaded");
}

TEST(ModelFile, UnusedAreWholeNamesOfAnyNumber) {
  EXPECT_FALSE(one_of({})(""));
  std::vector<std::string> names = {"a.b", "c*"};
  for (int i = 0; i < 2000; ++i) {
    names.push_back("layer" + std::to_string(i) + ".num_batches_tracked");
  }
  const Unused unused = one_of(names);
  for (const std::string& name : names) EXPECT_TRUE(unused(name));
  for (const char* other : {"a-b", "cc", "a", "a.b.c", ""}) {
    EXPECT_FALSE(unused(other));
  }
}

/// A model of one matrix that notes what it is asked.
class Noting : public Model {
 public:
  std::string_view name() const override { return "noting"; }
  std::string identity() const override { return {}; }
  const ModelInput& input() const override { return taken; }
  int64_t classes() const override { return 2; }
  const at::Device& device() const override { return device_; }
  int64_t unit() const override { return 1; }
  void load(const Checkpoint& weights) override {
    if (baked && weight_.defined()) return;
    weight_ = to_tensor(weights.tensors()[0], weights.read(0));
  }
  at::Tensor forward(at::TensorList inputs) const override {
    at::Tensor rows = inputs.front().flatten(1);
    for (const at::Tensor& more : inputs.slice(1)) {
      rows = rows + more.flatten(1).to(at::kFloat);
    }
    const at::Tensor logits = rows.matmul(weight_.t());
    seen = inputs.vec();
    const at::Tensor row = logits.to(at::kDouble).flatten();
    said.emplace_back(row.data_ptr<double>(),
                      row.data_ptr<double>() + row.numel());
    return logits;
  }

  bool baked = false;
  mutable std::vector<at::Tensor> seen;  ///< last
  mutable TestLogits said;
  ModelInput taken = tiny();

 private:
  static ModelInput tiny() {
    ModelInput made;
    made.channels = 1;
    made.height = made.width = 2;
    return made;
  }

  at::Device device_ = at::kCPU;
  at::Tensor weight_;
};

TEST(SelfTest, TellsBakedWeights) {
  const std::vector<Slot> slots = {same_slot("weight", {2, 4})};
  TestLogits expected(2, std::vector<double>(6));
  for (size_t set = 0; set < 2; ++set) {  // what it says, one set after another
    Noting model;
    EXPECT_THROW(self_test(model, slots, expected, "x"), Error);
    expected[set] = model.said.back();
    EXPECT_EQ(model.seen[0].size(0), 3);
  }
  Noting good;
  self_test(good, slots, expected, "x");
  EXPECT_NE(good.said[0], good.said[1]);
  Noting baked;
  baked.baked = true;
  expect_error<Error>([&] { self_test(baked, slots, expected, "net.pt2"); },
                      "net.pt2: gives other logits");
}

TEST(SelfTest, IdsLieBelowTheirLimit) {
  const std::vector<Slot> slots = {same_slot("weight", {2, 4})};
  Noting model;
  model.taken.tensors = {{.name = "ids", .shape = {4}, .limit = 30},
                         {.name = "age", .shape = {4}}};
  const TestLogits any(2, std::vector<double>(2 * 100));
  EXPECT_THROW(self_test(model, slots, any, "x"), Error);
  ASSERT_EQ(model.seen.size(), 2U);
  EXPECT_EQ(model.seen[0].scalar_type(), at::kLong);
  EXPECT_EQ(model.seen[0].min().item<int64_t>(), 0);
  EXPECT_EQ(model.seen[0].max().item<int64_t>(), 29);
  EXPECT_EQ(model.seen[1].scalar_type(), at::kFloat);
  EXPECT_LT(model.seen[1].min().item<float>(), -0.9);
}

// scripts/export_model.py: 2 * noise(4, 0).
TEST(SelfTest, DrawsTheNumbersOfTheExporter) {
  Noting model;
  const std::vector<Slot> slots = {same_slot("weight", {2, 4})};
  const TestLogits expected(2, std::vector<double>(2));
  EXPECT_THROW(self_test(model, slots, expected, "x"), Error);
  const at::Tensor first = model.seen.front().flatten();
  EXPECT_FLOAT_EQ(first[0].item<float>(), 0.76662159F);
  EXPECT_FLOAT_EQ(first[3].item<float>(), 0.94176388F);
}

}  // namespace
}  // namespace soup
