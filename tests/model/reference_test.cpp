// Logits against those of the libraries that the layouts are from
// (scripts/make_model_fixtures.py).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>

#include "soup/model.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

struct Reference {
  const char* folder;
  const char* model;
};

// googletest's name of a case.
void PrintTo(const Reference& r, std::ostream* out) { *out << r.folder; }

at::Tensor read(const Checkpoint& checkpoint, const std::string& name) {
  const size_t index = checkpoint.find(name).value();
  return to_tensor(checkpoint.tensors()[index], checkpoint.read(index));
}

// Largest difference, in units of the largest value.
double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

void expect_their_logits(const Reference& reference, const at::Device& device) {
  const fs::path folder =
      fs::path(SOUP_TEST_DATA) / "models" / reference.folder;
  const auto weights = open_checkpoint(folder / "model.safetensors");
  const auto expected = open_checkpoint(folder / "expected.safetensors");
  const fs::path head = folder / "head.safetensors";
  const auto model = make_model("auto", *weights, device,
                                fs::exists(head) ? head : fs::path());
  EXPECT_EQ(model->name(), reference.model);
  const at::Tensor pictures = read(*expected, "pictures");
  EXPECT_EQ(model->input().channels, pictures.size(1));
  EXPECT_EQ(model->input().height, pictures.size(2));
  EXPECT_EQ(model->input().width, pictures.size(3));
  model->load(*weights);
  const at::Tensor logits = model->forward(pictures.to(device)).cpu();
  const at::Tensor theirs = read(*expected, "logits");
  ASSERT_EQ(logits.sizes(), theirs.sizes());
  EXPECT_EQ(model->classes(), theirs.size(1));
  EXPECT_LT(relative_error(logits, theirs), 1e-4);
}

class LogitsAreTheirs : public ::testing::TestWithParam<Reference> {};

TEST_P(LogitsAreTheirs, OnACpu) { expect_their_logits(GetParam(), at::kCPU); }

TEST_P(LogitsAreTheirs, OnAGpu) {
  if (torch_info().gpus == 0) GTEST_SKIP() << "no GPU";
  expect_their_logits(GetParam(), find_device("cuda"));
}

INSTANTIATE_TEST_SUITE_P(
    Models, LogitsAreTheirs,
    ::testing::Values(
        Reference{"vit_token", "vit"}, Reference{"vit_registers", "vit"},
        Reference{"vit_registers_embedded", "vit"},
        Reference{"vit_mean", "vit"}, Reference{"vit_mean_token", "vit"},
        Reference{"vit_mean_norm", "vit"}, Reference{"vit_wide", "vit"},
        Reference{"vit_distilled", "vit"},
        Reference{"vit_clip_quickgelu", "vit"}, Reference{"hf_vit", "vit-hf"},
        Reference{"hf_vit_no_bias", "vit-hf"}, Reference{"hf_deit", "vit-hf"},
        Reference{"hf_deit_teacher", "vit-hf"}, Reference{"clip_paper", "clip"},
        Reference{"clip_open", "clip"}, Reference{"clip_texts", "clip"},
        Reference{"hf_clip", "clip-hf"},
        Reference{"hf_clip_texts", "clip-hf"}));

}  // namespace
}  // namespace soup
