#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/linear_head.h"
#include "soup/error.h"
#include "soup/model.h"
#include "support/expect_error.h"
#include "support/random_vit.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::TempFolder;
using testing::with_tensor;

fs::path fixture(const std::string& name) {
  return fs::path(SOUP_TEST_DATA) / "models" / name;
}

at::Tensor logits_as(const std::string& model, const Checkpoint& weights) {
  const auto made = make_model(model, weights, at::kCPU);
  made->load(weights);
  return made->forward(at::ones({1, 3, 8, 8}));
}

TEST(Clip, TheNameTellsTheActivation) {
  const auto weights =
      open_checkpoint(fixture("clip_paper") / "model.safetensors");
  const at::Tensor guessed = logits_as("auto", *weights);
  EXPECT_TRUE(at::equal(logits_as("ViT-B-32-quickgelu", *weights), guessed));
  EXPECT_GT(
      (logits_as("ViT-B-32", *weights) - guessed).abs().max().item<float>(),
      1e-4);
  const auto identity = [&](const std::string& name) {
    return make_model(name, *weights, at::kCPU)->identity();
  };
  EXPECT_NE(identity("ViT-B-32"), identity("auto"));
  EXPECT_EQ(identity("clip"), identity("auto"));
}

TEST(Clip, PreparationIsThatOfTheFamily) {
  const auto weights =
      open_checkpoint(fixture("clip_paper") / "model.safetensors");
  const auto model = make_model("auto", *weights, at::kCPU);
  const ModelInput& input = model->input();
  EXPECT_EQ(input.mean[0], 0.48145466);
  EXPECT_EQ(input.crop_pct, 1);
  EXPECT_TRUE(input.published_statistics);
  EXPECT_FALSE(input.any_size);
}

TEST(Clip, OnlyTheOtherTowerIsPassedOver) {
  const auto weights =
      open_checkpoint(fixture("clip_paper") / "model.safetensors");
  for (const char* name :
       {"model.transformer.resblocks.0.mlp.c_fc.weight",
        "model.token_embedding.weight", "model.text_projection"}) {
    make_model("auto", *with_tensor(*weights, name, {2, 2}), at::kCPU);
  }
  for (const char* name : {"model.visual.transformer.resblocks.1.ln_1.weight",
                           "model.visual.attn_pool.query", "other.weight"}) {
    const auto odd = with_tensor(*weights, name, {2, 2});
    expect_error<Error>([&] { make_model("auto", *odd, at::kCPU); },
                        "has no place in the model");
  }
}

TEST(Clip, WithoutAHeadItAsksForOne) {
  for (const char* name : {"clip_texts", "hf_clip_texts"}) {
    const auto weights = open_checkpoint(fixture(name) / "model.safetensors");
    expect_error<Error>([&] { make_model("auto", *weights, at::kCPU); },
                        "has no classification head; --head FILE gives one");
  }
}

TEST(Clip, AGivenHeadWins) {
  const auto weights =
      open_checkpoint(fixture("clip_open") / "model.safetensors");
  const fs::path head = fixture("clip_texts") / "head.safetensors";
  const auto model = make_model("auto", *weights, at::kCPU, head);
  EXPECT_EQ(model->classes(), 7);
  EXPECT_NE(model->identity(),
            make_model("auto", *weights, at::kCPU)->identity());
}

TEST(LinearHead, MustFit) {
  const TempFolder folder;
  const fs::path path = folder / "head.safetensors";
  const auto refused = [&](std::vector<TensorInfo> tensors,
                           const std::string& message) {
    WriteOptions options;
    options.force = true;
    save_checkpoint(MemoryCheckpoint("m", std::move(tensors)), path, {},
                    options);
    expect_error<Error>([&] { read_linear_head(path, 6, at::kCPU); }, message);
  };
  refused({{.name = "a", .shape = {5, 7}}},
          "expected a matrix of [classes, 6], found [5, 7]");
  refused({{.name = "a", .shape = {6}}}, "found none");
  refused({{.name = "a", .shape = {5, 6}}, {.name = "b", .shape = {5, 6}}},
          "holds more than a head: 'b'");
  refused({{.name = "a", .shape = {5, 6}}, {.name = "b", .shape = {4}}},
          "has 5 classes, but a bias for 4");
}

TEST(LinearHead, ColumnsMayBeClasses) {
  const LinearHead head =
      read_linear_head(fixture("clip_texts") / "head.safetensors", 6, at::kCPU);
  EXPECT_EQ(head.weight.sizes(), (at::IntArrayRef{7, 6}));
  EXPECT_TRUE(head.unit_rows);
  EXPECT_FALSE(head.bias.defined());
}

}  // namespace
}  // namespace soup
