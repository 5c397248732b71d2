// Convolutional networks against torchvision and timm, with weights by the
// formula of scripts/make_network_references.py.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <ostream>

#include "core/json.h"
#include "model/one_thread.h"
#include "soup/error.h"
#include "soup/model.h"
#include "support/expect_error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using testing::expect_error;
using testing::OneThread;

std::vector<float> uniform(const std::string& name, int64_t count) {
  uint64_t seed = 0xcbf29ce484222325;
  for (char c : name) {
    seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  std::vector<float> made;
  for (int64_t i = 1; i <= count; ++i) {
    uint64_t z = seed + static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    made.push_back(
        static_cast<float>(std::ldexp(static_cast<double>(z >> 40), -23) - 1));
  }
  return made;
}

std::vector<float> values(const TensorInfo& info) {
  double offset = 0;
  double scale = 0.1;
  const std::string_view name = info.name;
  if (name.ends_with("running_var")) {
    offset = 1;
    scale = 0.5;
  } else if (name.ends_with("gamma")) {
    offset = 0.5;
    scale = 0.2;
  } else if (info.shape.size() > 1) {
    scale = std::sqrt(6 / static_cast<double>(info.numel() / info.shape[0]));
  } else if (name.ends_with("weight")) {
    offset = 1;
    scale = 0.3;
  }
  std::vector<float> made = uniform(info.name, info.numel());
  for (float& value : made) {
    value = value * static_cast<float>(scale) + static_cast<float>(offset);
  }
  return made;
}

ordered_json network(const std::string& name) {
  return read_json(fs::path(SOUP_TEST_DATA) / "networks" / (name + ".json"));
}

/// Without the values where `filled` is false.
std::unique_ptr<MemoryCheckpoint> weights_of(const ordered_json& network,
                                             bool filled = true) {
  std::vector<TensorInfo> infos;
  for (const auto& [name, shape] : network.at("tensors").items()) {
    const bool whole = name.ends_with("num_batches_tracked");
    infos.push_back({.name = name,
                     .dtype = whole ? DType::kI64 : DType::kF32,
                     .shape = shape.get<std::vector<int64_t>>()});
  }
  auto made = std::make_unique<MemoryCheckpoint>("memory", infos);
  for (size_t i = 0; filled && i < infos.size(); ++i) {
    if (infos[i].dtype != DType::kF32) continue;
    const std::vector<float> numbers = values(infos[i]);
    std::memcpy(made->mutable_bytes(i).data(), numbers.data(),
                numbers.size() * sizeof(float));
  }
  return made;
}

double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

at::Tensor logits_of(const ordered_json& network) {
  const auto rows = network.at("logits").get<std::vector<std::vector<float>>>();
  std::vector<at::Tensor> made;
  for (const std::vector<float>& row : rows) made.push_back(at::tensor(row));
  return at::stack(made);
}

void expect_their_logits(const std::string& name, const char* kind,
                         const at::Device& device) {
  const ordered_json known = network(name);
  const auto weights = weights_of(known);
  const auto model = make_model("auto", *weights, device);
  EXPECT_EQ(model->name(), kind);
  EXPECT_TRUE(model->input().any_size);
  const auto side = known.at("side").get<int64_t>();
  const at::Tensor pictures =
      at::tensor(uniform("pictures", 2 * 3 * side * side))
          .view({2, 3, side, side});
  model->load(*weights);
  const at::Tensor logits = model->forward(pictures.to(device)).cpu();
  const at::Tensor theirs = logits_of(known);
  ASSERT_EQ(logits.sizes(), theirs.sizes());
  EXPECT_EQ(model->classes(), theirs.size(1));
  EXPECT_LT(relative_error(logits, theirs), 1e-4);
}

struct Network {
  const char* name;
  const char* kind;
};

void PrintTo(const Network& n, std::ostream* out) { *out << n.name; }

class Networks : public ::testing::TestWithParam<Network> {};

TEST_P(Networks, LogitsAreTheirsOnACpu) {
  expect_their_logits(GetParam().name, GetParam().kind, at::kCPU);
}

TEST_P(Networks, LogitsAreTheirsOnAGpu) {
  if (torch_info().gpus == 0) GTEST_SKIP() << "no GPU";
  expect_their_logits(GetParam().name, GetParam().kind, find_device("cuda"));
}

INSTANTIATE_TEST_SUITE_P(
    Models, Networks,
    ::testing::Values(Network{"resnet18", "resnet"},
                      Network{"resnet50", "resnet"},
                      Network{"wide_resnet50_2", "resnet"},
                      Network{"resnext50_32x4d", "resnet"},
                      Network{"timm_resnet34", "resnet"},
                      Network{"timm_resnet50d", "resnet"},
                      Network{"convnext_atto", "convnext"},
                      Network{"convnext_tiny", "convnext"},
                      Network{"convnext_tiny_hnf", "convnext"},
                      Network{"convnextv2_atto", "convnext"}));

TEST(ResNets, TheDeepOnesAreRecognised) {
  for (const char* name : {"resnet101", "resnet152"}) {
    const auto weights = weights_of(network(name), false);
    const auto model = make_model("auto", *weights, at::kCPU);
    EXPECT_EQ(model->name(), "resnet");
    EXPECT_EQ(model->classes(), 10);
    EXPECT_EQ(model->input().interpolation, "bilinear");
    EXPECT_EQ(model->input().crop_pct, 0.875);
  }
}

// The names and shapes of the 72 checkpoints of the paper.
TEST(Clip, ThePapersCheckpointsAreRecognised) {
  const auto weights = weights_of(network("paper_vit_b32"), false);
  ASSERT_EQ(weights->tensors().size(), 160U);
  const auto model = make_model("auto", *weights, at::kCPU);
  EXPECT_EQ(model->name(), "clip");
  EXPECT_EQ(model->classes(), 1000);
  EXPECT_EQ(model->input().height, 224);
  EXPECT_THAT(model->identity(), ::testing::HasSubstr("heads=12 activation=2"));
}

TEST(ConvNetworks, LogitsDoNotDependOnThePlaceInAUnit) {
  const OneThread one_thread;
  for (const char* name : {"resnet18", "timm_resnet50d", "convnext_atto"}) {
    SCOPED_TRACE(name);
    const auto weights = weights_of(network(name));
    const auto model = make_model("auto", *weights, at::kCPU);
    model->load(*weights);
    // Of small pictures a multiple of the unit is taken.
    for (const auto& [n, side] :
         {std::pair{model->unit(), 96}, {model->unit(), 72}, {64, 32}}) {
      const at::Tensor pictures = at::randn({n, 3, side, side});
      const at::Tensor logits = model->forward(pictures);
      for (const int64_t shift : {int64_t{1}, n / 2, n - 1}) {
        const at::Tensor turned = model->forward(at::roll(pictures, shift, 0));
        ASSERT_TRUE(at::equal(at::roll(turned, -shift, 0), logits));
      }
      const at::Tensor others = at::randn_like(pictures);
      others[0].copy_(pictures[n - 1]);
      ASSERT_TRUE(at::equal(model->forward(others)[0], logits[n - 1]));
    }
  }
}

// Of one batch: torch's BatchNorm in training, with a momentum of 1.
TEST(ResNets, MomentsAreTorchs) {
  for (const char* name : {"resnet18", "timm_resnet50d"}) {
    SCOPED_TRACE(name);
    const ordered_json known = network(name);
    const auto weights = weights_of(known);
    const auto model = make_model("auto", *weights, at::kCPU);
    model->load(*weights);
    const at::Tensor pictures =
        at::tensor(uniform("pictures", 2 * 3 * 64 * 64)).view({2, 3, 64, 64});
    size_t seen = 0;
    for (const BatchMoments& m : model->moments(pictures)) {
      const auto& norms = known.at("batch_norms");
      const auto mean =
          norms.at(m.module + ".running_mean").get<std::vector<double>>();
      const auto variance =
          norms.at(m.module + ".running_var").get<std::vector<double>>();
      for (size_t i = 0; i < mean.size(); ++i) {
        const double found = m.squares[i] / static_cast<double>(m.count - 1);
        EXPECT_NEAR(found, variance[i], 1e-3 * variance[i]) << m.module;
        EXPECT_NEAR(m.mean[i], mean[i], 1e-3 * std::sqrt(variance[i]))
            << m.module;
      }
      seen += 2;
    }
    EXPECT_EQ(seen, known.at("batch_norms").size());
  }
}

TEST(MergeMoments, AreThoseOfBothSets) {
  const auto of = [](const std::vector<double>& values) {
    BatchMoments m{.module = "bn",
                   .count = std::ssize(values),
                   .mean = {0},
                   .squares = {0}};
    for (double v : values) m.mean[0] += v / static_cast<double>(m.count);
    for (double v : values) m.squares[0] += (v - m.mean[0]) * (v - m.mean[0]);
    return m;
  };
  BatchMoments merged;
  merge_moments(merged, of({1, 5, 1e6}));
  merge_moments(merged, of({2}));
  merge_moments(merged, of({3, 4, -7, 8}));
  const BatchMoments whole = of({1, 5, 1e6, 2, 3, 4, -7, 8});
  EXPECT_EQ(merged.module, "bn");
  EXPECT_EQ(merged.count, 8);
  EXPECT_NEAR(merged.mean[0], whole.mean[0], 1e-9 * whole.mean[0]);
  EXPECT_NEAR(merged.squares[0], whole.squares[0], 1e-9 * whole.squares[0]);
}

TEST(ResNets, ShapesMustFitTogether) {
  const auto refused = [](const std::string& name,
                          const std::vector<int64_t>& shape,
                          const std::string& message) {
    ordered_json changed = network("resnet18");
    changed["tensors"][name] = shape;
    const auto weights = weights_of(changed, false);
    expect_error<Error>([&] { make_model("auto", *weights, at::kCPU); },
                        message);
  };
  refused("layer2.0.conv1.weight", {128, 48, 3, 3}, "does not fit behind 64");
  refused("layer2.0.conv1.weight", {128, 64, 2, 2}, "does not fit behind 64");
  refused("layer2.0.conv2.weight", {96, 128, 3, 3},
          "'layer2.0' has 96 channels, but its shortcut 128");
  refused("conv1.weight", {64, 3, 3, 3}, "expected 7 as in torchvision");
  refused("layer1.0.bn1.bias", {7}, "'layer1.0.bn1.bias' is [7]");
  refused("layer1.0.se.fc1.weight", {7}, "has no place in the model");
}

TEST(ConvNexts, ShapesMustFitTogether) {
  const auto refused = [](const std::string& name,
                          const std::vector<int64_t>& shape,
                          const std::string& message) {
    ordered_json changed = network("convnext_tiny");
    changed["tensors"][name] = shape;
    const auto weights = weights_of(changed, false);
    expect_error<Error>([&] { make_model("auto", *weights, at::kCPU); },
                        message);
  };
  refused("stem.0.weight", {96, 3, 4, 2}, "expected a square convolution");
  refused("stages.0.blocks.0.conv_dw.weight", {96, 1, 6, 6},
          "expected an odd number");
  refused("stages.1.blocks.0.gamma", {7}, "'stages.1.blocks.0.gamma' is [7]");
}

}  // namespace
}  // namespace soup
