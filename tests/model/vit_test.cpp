#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/one_thread.h"
#include "soup/error.h"
#include "soup/model.h"
#include "support/expect_error.h"
#include "support/random_vit.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::OneThread;
using testing::random_vit;
using testing::with_tensor;

// Largest difference, in units of the largest value.
double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

TEST(Vit, LoadSwapsTheWeights) {
  const auto a = random_vit({}, 1);
  const auto b = random_vit({}, 2);
  const auto model = make_model("vit", *a, at::kCPU);
  const at::Tensor pictures = at::randn({3, 1, 8, 8});
  model->load(*a);
  const at::Tensor first = model->forward(pictures);
  model->load(*b);
  EXPECT_GT(relative_error(model->forward(pictures), first), 0.1);
  model->load(*a);
  EXPECT_TRUE(at::equal(model->forward(pictures), first));
}

// Matrices are multiplied by another library then.
TEST(Vit, LogitsAreTheSameWhereAutogradFollows) {
  const auto weights = random_vit();
  const auto model = make_model("vit", *weights, at::kCPU);
  model->load(*weights);
  const at::Tensor pictures = at::randn({3, 1, 8, 8});
  const at::Tensor logits = model->forward(pictures);
  for (const Parameter& one : model->parameters()) {
    one.value.requires_grad_(true);
  }
  const at::Tensor followed = model->forward(pictures);
  EXPECT_TRUE(followed.requires_grad());
  EXPECT_LT(relative_error(followed.detach(), logits), 1e-5);
}

TEST(Vit, LogitsDoNotDependOnThePlaceInAUnit) {
  const OneThread one_thread;
  for (const testing::VitShape& shape :
       {testing::VitShape{},
        {.width = 128, .depth = 3, .hidden = 96},
        {.size = 28, .patch = 7, .width = 64, .hidden = 36, .classes = 3},
        {.size = 112, .patch = 8, .width = 64, .depth = 1, .hidden = 31}}) {
    const auto weights = random_vit(shape);
    const auto model = make_model("vit", *weights, at::kCPU);
    model->load(*weights);
    const int64_t n = model->unit();
    const at::Tensor pictures = at::randn({n, 1, shape.size, shape.size});
    const at::Tensor logits = model->forward(pictures);
    for (int64_t shift = 1; shift < n; ++shift) {
      const at::Tensor turned = model->forward(at::roll(pictures, shift, 0));
      ASSERT_TRUE(at::equal(at::roll(turned, -shift, 0), logits));
    }
    // With other neighbours.
    const at::Tensor others = at::randn_like(pictures);
    others[0].copy_(pictures[n - 1]);
    ASSERT_TRUE(at::equal(model->forward(others)[0], logits[n - 1]));
  }
}

TEST(Vit, UnitFollowsFromTheGeometry) {
  const auto unit = [](const testing::VitShape& shape) {
    return make_model("vit", *random_vit(shape), at::kCPU)->unit();
  };
  EXPECT_EQ(unit({.size = 8, .patch = 4}), 64);
  EXPECT_EQ(unit({.size = 28, .patch = 7}), 64);
  EXPECT_EQ(unit({.size = 112, .patch = 8, .depth = 1}), 8);
  EXPECT_EQ(unit({.size = 112, .patch = 8, .depth = 1, .hidden = 31}), 32);
  EXPECT_EQ(unit({.size = 132, .patch = 4, .depth = 1}), 1);
}

TEST(Vit, ExtraTensorsAreNotIgnored) {
  const auto odd =
      with_tensor(*random_vit(), "blocks.0.attn.q_norm.weight", {64});
  expect_error<Error>([&] { make_model("auto", *odd, at::kCPU); },
                      "'blocks.0.attn.q_norm.weight' has no place");
}

TEST(Models, UnknownNamesAndNetworks) {
  const auto vit = random_vit();
  expect_error<UsageError>([&] { make_model("vti", *vit, at::kCPU); },
                           "unknown model 'vti'; there is: vit, vit-hf, clip");
  expect_error<UsageError>([&] { make_model("convnet", *vit, at::kCPU); },
                           "unknown model 'convnet', did you mean 'convnext'?");
  // The user's word for what the shapes are not.
  expect_error<Error>([&] { make_model("vit-hf", *vit, at::kCPU); },
                      "embeddings.patch_embeddings.projection.weight' is "
                      "missing");
  EXPECT_EQ(make_model("vit_tiny_patch4_8", *vit, at::kCPU)->name(), "vit");
  expect_error<Error>([&] { make_model("resnet50", *vit, at::kCPU); },
                      "memory: its tensors are those of the model vit, which "
                      "'resnet50' is not");
  const MemoryCheckpoint other("x.pt", {{.name = "fc.weight", .shape = {2}}});
  expect_error<Error>([&] { make_model("auto", other, at::kCPU); },
                      "x.pt: its tensors are those of no model");
}

}  // namespace
}  // namespace soup
