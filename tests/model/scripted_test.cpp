#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <fstream>

#include "core/log.h"
#include "soup/error.h"
#include "soup/model.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;

constexpr int64_t kClasses = 3;

/// Weights for the module below: `weight` all `value`, `scale` 2.
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

/// What tracing does to a tensor that is no parameter or buffer.
void bake(const torch::jit::Module& module, const std::string& name) {
  const auto graph = module.get_method("forward").graph();
  for (torch::jit::Node* const node : graph->block()->nodes()) {
    if (node->kind() != c10::prim::GetAttr ||
        node->s(c10::attr::name) != name) {
      continue;
    }
    const torch::jit::WithInsertPoint before(node);
    node->output()->replaceAllUsesWith(
        graph->insertConstant(module.attr(name).toTensor().detach()));
    return;
  }
}

/// Logits are weight * scale * (mean of the picture).
constexpr const char* kForward =
    "return x.mean([1, 2, 3]).unsqueeze(1) @ self.weight.t() * self.scale";

class Scripted : public ::testing::Test {
 protected:
  Scripted() {
    log::set_level(log::Level::kQuiet);
    module_.register_parameter(
        "weight", at::arange(1, kClasses + 1, at::kFloat).view({kClasses, 1}),
        false);
    module_.register_buffer("scale", at::full({}, 1.5));
    module_.register_buffer("steps", at::zeros({}, at::kLong));
  }
  ~Scripted() override { log::set_level(log::Level::kNormal); }

  void define(const std::string& forward) {
    module_.define("def forward(self, x):\n  " + forward + "\n");
  }

  std::unique_ptr<Model> make() {
    const std::string path = (folder_ / "net.ts").string();
    module_.save(path);
    return make_model(path, *weights_of(1), at::kCPU);
  }

  void expect_refused(const std::string& message) {
    expect_error<Error>([&] { make(); }, "net.ts: " + message);
  }

  /// Logits of pictures that are 0.5 throughout, whose weights are all `value`.
  static double logit(Model& model, float value) {
    model.load(*weights_of(value));
    const at::Tensor logits = model.forward(at::full({4, 3, 8, 8}, 0.5));
    EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{4, kClasses}));
    EXPECT_TRUE((logits == logits[0][0]).all().item<bool>());
    return logits[0][0].item<double>();
  }

  testing::TempFolder folder_;
  torch::jit::Module module_{"Net"};
};

TEST_F(Scripted, ComputesWithTheWeightsItIsGiven) {
  define(kForward);
  const auto model = make();
  EXPECT_EQ(model->classes(), kClasses);
  EXPECT_EQ(model->input().channels, 3);
  EXPECT_TRUE(model->input().any_size);
  for (const float value : {1.0F, -3.0F, 7.0F}) {
    EXPECT_NEAR(logit(*model, value), value, 1e-6);
  }
}

TEST_F(Scripted, InAnyPrecision) {
  define(kForward);
  for (const char* name : {"weight", "scale"}) {
    module_.setattr(name, module_.attr(name).toTensor().to(at::kHalf));
  }
  EXPECT_NEAR(logit(*make(), 0.3F), 0.3, 1e-6);
}

TEST_F(Scripted, TakesTheSizeThatItsProgramAccepts) {
  define(
      "return x.view([-1, 3072]).mean([1], True) @ self.weight.t() * "
      "self.scale");
  // 3 x 224 x 224 divides into rows of 3072 too, but into other numbers.
  EXPECT_EQ(make()->input().height, 32);
}

TEST_F(Scripted, RefusesWhatCannotBeScored) {
  const auto weights = weights_of(1);
  const auto refuse = [&](const char* name, const std::string& message) {
    const std::string path = (folder_ / name).string();
    expect_error<Error>([&] { make_model(path, *weights, at::kCPU); }, message);
  };
  refuse("no.ts", "no such file");
  std::ofstream(folder_ / "noise.pth") << "no module";
  refuse("noise.pth", "is no TorchScript file");
  torch::jit::Module frozen("Net");
  frozen.define("def forward(self, x):\n  return x.flatten(1)\n");
  frozen.save((folder_ / "frozen.ts").string());
  refuse("frozen.ts", "its weights cannot be exchanged");
  frozen.register_parameter("scale", at::ones({}), false);
  frozen.save((folder_ / "headless.ts").string());
  refuse("headless.ts", "'weight' has no place in the model");
  define("return x.mean() + self.weight * self.scale");
  expect_refused("cannot be run on pictures of 3 channels: ");
}

TEST_F(Scripted, RefusesWeightsThatAreConstants) {
  define(kForward);
  bake(module_, "weight");
  expect_refused("holds a copy of 'weight'");
}

TEST_F(Scripted, RefusesCopiesOfWeightsThatItReadsElsewhere) {
  define(
      "y = x.mean([1, 2, 3]).unsqueeze(1) @ self.weight.t() * self.scale\n"
      "  return y + self.weight.sum()");
  bake(module_, "weight");
  expect_refused("holds a copy of 'weight'");
}

TEST_F(Scripted, RefusesCopiesInOtherAttributes) {
  module_.register_attribute(
      "rows", c10::ListType::ofTensors(),
      c10::List<at::Tensor>({module_.attr("weight").toTensor().t().clone()}));
  define("return x.mean([1, 2, 3]).unsqueeze(1) @ self.rows[0] * self.scale");
  expect_refused("holds a copy of 'weight'");
}

class ScriptedNumber : public Scripted,
                       public ::testing::WithParamInterface<const char*> {};

TEST_P(ScriptedNumber, MadeOfAWeightIsRefused) {
  define("return x.mean([1, 2, 3]).unsqueeze(1) @ self.weight.t() * " +
         std::string(GetParam()));
  expect_refused("holds a copy of 'scale'");
}

INSTANTIATE_TEST_SUITE_P(ItselfAndItsExponential, ScriptedNumber,
                         ::testing::Values("1.5", "4.4816890703"));

TEST_F(Scripted, LeavesOutWhatIsNeverRead) {
  define("return x.mean([1, 2, 3]).unsqueeze(1) @ self.weight.t() * 4.0");
  EXPECT_NEAR(logit(*make(), 3), 6, 1e-6);
}

TEST_F(Scripted, FollowsModules) {
  torch::jit::Module inner("Inner");
  inner.register_parameter("weight", module_.attr("weight").toTensor(), false);
  inner.define("def forward(self, x):\n  return x @ self.weight.t()\n");
  torch::jit::Module outer("Outer");
  outer.register_module("body", inner);
  outer.register_buffer("scale", at::full({}, 1.5));
  outer.define(
      "def forward(self, x):\n"
      "  return self.body.forward(x.mean([1, 2, 3]).unsqueeze(1)) * "
      "self.scale\n");
  const std::string path = (folder_ / "outer.ts").string();
  outer.save(path);
  const std::vector<TensorInfo> infos = {
      {.name = "body.weight", .shape = {kClasses, 1}},
      {.name = "scale", .shape = {}}};
  EXPECT_EQ(make_model(path, MemoryCheckpoint("x", infos), at::kCPU)->classes(),
            kClasses);
}

TEST_F(Scripted, RefusesProgramsThatKeepWhatTheyComputed) {
  module_.register_attribute(
      "kept", c10::OptionalType::create(c10::TensorType::get()), {});
  define(
      "kept = self.kept\n"
      "  if kept is None:\n"
      "    kept = self.weight.t() * self.scale\n"
      "    self.kept = kept\n"
      "  return x.mean([1, 2, 3]).unsqueeze(1) @ kept");
  expect_refused("its logits are not those of the weights it is given");
}

TEST_F(Scripted, RefusesProgramsThatChangeTheirWeights) {
  define(std::string("self.scale.mul_(0.5)\n  ") + kForward);
  expect_refused("changes 'scale' when it is run");
}

TEST_F(Scripted, RefusesDropoutThatIsOn) {
  define("x = torch.dropout(x, 0.5, True)\n  " + std::string(kForward));
  expect_refused("gives other logits for the same pictures each time");
}

TEST_F(Scripted, RefusesLogitsWithoutWeights) {
  define("return x[:, :, 0, 0] + 0 * self.weight.sum() * self.scale");
  expect_refused("gives the same logits whatever its weights are");
}

}  // namespace
}  // namespace soup
