#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/file.h"
#include "soup/error.h"
#include "soup/eval.h"
#include "soup/model.h"
#include "support/expect_error.h"
#include "support/random_resnet.h"
#include "support/random_vit.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::random_resnet;
using testing::random_vit;
using testing::TempFolder;

constexpr int64_t kCount = 50;
constexpr int64_t kSide = 32;

at::Tensor read(const Checkpoint& from, const std::string& name) {
  const size_t index = from.find(name).value();
  return to_tensor(from.tensors()[index], from.read(index));
}

/// Random colour pictures in CIFAR-10's binary form.
class BatchNorms : public ::testing::Test {
 protected:
  BatchNorms() {
    std::mt19937 generator(7);
    std::string bytes;
    for (int64_t i = 0; i < kCount; ++i) {
      bytes += static_cast<char>(i % 5);
      // Brightness by picture, so that batches differ.
      const auto range = static_cast<uint32_t>(20 + 4 * i);
      for (int64_t k = 0; k < 3 * kSide * kSide; ++k) {
        bytes += static_cast<char>(generator() % range);
      }
    }
    write_text(folder_ / "batch.bin", bytes, false);
    spec_.name = "random";
    spec_.loader = "cifar10";
    spec_.path = folder_.path();
    spec_.files = {folder_ / "batch.bin"};
    spec_.preprocess.size = kSide;
    spec_.preprocess.resize = "none";
    spec_.preprocess.mean = {0.5};
    spec_.preprocess.std = {0.25};
    const at::Tensor rows =
        at::from_blob(bytes.data(), {kCount, 1 + 3 * kSide * kSide}, at::kByte)
            .clone();
    pictures_ = rows.slice(1, 1)
                    .view({kCount, 3, kSide, kSide})
                    .to(at::kFloat)
                    .div(255)
                    .sub(0.5)
                    .div(0.25);
  }

  CheckpointPtr recompute(const Checkpoint& from, int64_t batch_size,
                          int threads = 2, uint64_t seed = 0) {
    EvaluatorOptions options;
    options.device = "cpu";
    options.batch_size = batch_size;
    options.threads = threads;
    return make_batch_norm_statistics(spec_, from, seed, options)
        ->recompute(from);
  }

  TempFolder folder_;
  DatasetSpec spec_;
  at::Tensor pictures_;
};

// What the first one sees does not depend on batches.
TEST_F(BatchNorms, StatisticsAreOfAllPicturesWhateverTheBatches) {
  const auto from = random_resnet();
  const at::Tensor seen =
      at::conv2d(pictures_, read(*from, "conv1.weight"), {}, 2, 3);
  const auto [variance, mean] =
      at::var_mean(seen.to(at::kDouble), at::IntArrayRef{0, 2, 3}, 1, false);
  for (const int64_t batch_size : {kCount, int64_t{16}, int64_t{7}}) {
    const auto made = recompute(*from, batch_size);
    EXPECT_TRUE(at::allclose(read(*made, "bn1.running_mean").to(at::kDouble),
                             mean, 1e-5, 1e-6));
    EXPECT_TRUE(at::allclose(read(*made, "bn1.running_var").to(at::kDouble),
                             variance, 1e-5, 1e-6));
  }
}

// With the statistics of one batch, evaluation is training.
TEST_F(BatchNorms, OneBatchIsNormalisedByItsOwn) {
  const auto from = random_resnet();
  const auto made = recompute(*from, kCount);
  const auto model = make_model("auto", *from, at::kCPU);
  model->load(*made);
  const at::Tensor logits = model->forward(pictures_);
  const auto last = model->moments(pictures_).back();
  EXPECT_EQ(last.module, "layer4.0.downsample.1");
  const at::Tensor mean = read(*made, last.module + ".running_mean");
  EXPECT_TRUE(at::allclose(mean.to(at::kDouble),
                           at::tensor(last.mean, at::kDouble), 1e-3, 1e-3));
  model->load(*from);
  EXPECT_GT((model->forward(pictures_) - logits).abs().max().item<float>(),
            0.01);
}

TEST_F(BatchNorms, NothingElseChanges) {
  const auto from = random_resnet();
  const auto made = recompute(*from, 16);
  ASSERT_EQ(made->tensors().size(), from->tensors().size());
  int changed = 0;
  for (const TensorInfo& tensor : from->tensors()) {
    const bool same =
        at::equal(read(*made, tensor.name), read(*from, tensor.name));
    EXPECT_EQ(same, tensor.name.find("running_") == std::string::npos)
        << tensor.name;
    changed += same ? 0 : 1;
  }
  EXPECT_EQ(changed, 2 * 12);
}

TEST_F(BatchNorms, BytesDoNotDependOnThreads) {
  const auto from = random_resnet();
  const auto one = recompute(*from, 8, 1);
  const auto three = recompute(*from, 8, 3);
  const auto other = recompute(*from, 8, 1, 1);
  const char* name = "layer4.0.bn2.running_var";
  EXPECT_TRUE(at::equal(read(*one, name), read(*three, name)));
  EXPECT_FALSE(at::equal(read(*one, name), read(*other, name)));
}

TEST_F(BatchNorms, TypesAreKept) {
  const auto from = random_resnet(1, DType::kBF16);
  EXPECT_EQ(read(*recompute(*from, 16), "bn1.running_var").scalar_type(),
            at::kBFloat16);
}

/// A processor's memory in which nothing of half a MB finds place.
class SmallMemory : public c10::Allocator {
 public:
  SmallMemory() { c10::SetCPUAllocator(this, 1); }
  ~SmallMemory() override { c10::SetCPUAllocator(real_, 1); }
  c10::DataPtr allocate(size_t bytes) override {
    TORCH_CHECK_WITH(OutOfMemoryError, bytes < 1 << 19, "CUDA out of memory");
    return real_->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override {
    return real_->raw_deleter();
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    real_->copy_data(to, from, bytes);
  }

 private:
  c10::Allocator* real_ = c10::GetCPUAllocator();
};

// Halving it would change the result.
TEST_F(BatchNorms, ABatchTooLargeForTheMemoryNamesTheOption) {
  const auto from = random_resnet();
  const auto expected = recompute(*from, 7);
  const SmallMemory small;
  expect_error<Error>([&] { recompute(*from, kCount); },
                      "too small for batches of 50 pictures; --device cpu "
                      "gives the same result, a smaller --batch-size another");
  const char* name = "layer4.0.bn2.running_var";
  EXPECT_TRUE(
      at::equal(read(*expected, name), read(*recompute(*from, 7), name)));
}

TEST_F(BatchNorms, MistakesAreErrors) {
  expect_error<Error>([&] { recompute(*random_vit({.channels = 3}), 16); },
                      "memory: has no BatchNorm");
  expect_error<UsageError>([&] { recompute(*random_resnet(), 1); },
                           "the batch size must be above 1");
}

}  // namespace
}  // namespace soup
