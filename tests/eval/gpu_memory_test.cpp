#include "eval/gpu_memory.h"

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <cstring>
#include <numeric>

#include "core/log.h"
#include "eval/engine.h"
#include "eval/gradients.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;

constexpr int64_t kCount = 50;
constexpr int64_t kClasses = 3;
constexpr int64_t kFeatures = 4;

/// A linear layer on a device that has memory for so many examples at a time.
class Small : public Model {
 public:
  explicit Small(int64_t fit) : fit_(fit) {
    input_.tensors = {{.name = "features", .shape = {kFeatures}}};
  }
  std::string_view name() const override { return "small"; }
  std::string identity() const override { return {}; }
  const ModelInput& input() const override { return input_; }
  int64_t classes() const override { return kClasses; }
  const at::Device& device() const override { return place; }
  int64_t unit() const override { return 16; }
  int64_t least_batch() const override { return least; }
  void load(const Checkpoint& weights) override {
    weight_.copy_(to_tensor(weights.tensors()[0], weights.read(0)));
  }
  at::Tensor forward(at::TensorList inputs) const override {
    if (inputs.front().size(0) > fit_) {
      TORCH_CHECK_WITH(OutOfMemoryError, false, "Tried to allocate 1 GiB");
    }
    // Each row apart, so that its bits do not depend on their number.
    return (inputs.front().unsqueeze(1) * weight_).sum(2);
  }
  std::vector<Parameter> parameters() const override {
    return {{.value = weight_, .sources = {"weight"}}};
  }

  int64_t least = 1;
  at::Device place = at::kCPU;

 private:
  int64_t fit_;
  ModelInput input_;
  at::Tensor weight_ = at::zeros({kClasses, kFeatures});
};

void fill(MemoryCheckpoint& checkpoint, size_t index,
          const at::Tensor& values) {
  std::memcpy(checkpoint.mutable_bytes(index).data(), values.const_data_ptr(),
              values.nbytes());
}

class GpuMemory : public ::testing::Test {
 protected:
  GpuMemory() {
    log::set_level(log::Level::kQuiet);
    fill(weights_, 0, at::randn({kClasses, kFeatures}));
    MemoryCheckpoint data(
        "x", {{.name = "features", .shape = {kCount, kFeatures}},
              {.name = "labels", .dtype = DType::kI64, .shape = {kCount}}});
    fill(data, 0, at::randn({kCount, kFeatures}));
    fill(data, 1, at::randint(kClasses, {kCount}, at::kLong));
    spec_.name = "data";
    spec_.loader = "tensors";
    spec_.inputs[""] = spec_.labels_file = folder_ / "data.safetensors";
    save_checkpoint(data, spec_.labels_file);
    std::iota(all_.begin(), all_.end(), 0);
  }
  ~GpuMemory() override { log::set_level(log::Level::kNormal); }

  /// Logits of all examples where so many fit, and how many are taken then.
  std::pair<std::vector<float>, int64_t> logits(int64_t fit) {
    Engine engine{{}, std::make_unique<Small>(fit), nullptr, Crew(2)};
    engine.load(weights_);
    const Resident resident(spec_, engine.model->input(), at::kCPU, {});
    const Projection projection({}, kClasses, "data");
    Logits logits(engine, resident, projection, {});
    std::vector<float> found;
    logits.look(all_, found);
    return {found, logits.unit()};
  }

  LossSlope slope(int64_t fit) {
    Small model(fit);
    Crew crew(2);
    const Resident resident(spec_, model.input(), at::kCPU, {});
    return Gradients(model, crew, resident, model.unit())
        .differentiate(weights_, all_, 1);
  }

  testing::TempFolder folder_;
  MemoryCheckpoint weights_{
      "weights", {{.name = "weight", .shape = {kClasses, kFeatures}}}};
  DatasetSpec spec_;
  std::vector<int64_t> all_ = std::vector<int64_t>(kCount);
};

TEST_F(GpuMemory, ScoresFewerAtATimeWhereItIsTooSmall) {
  const auto [expected, whole] = logits(1000);
  EXPECT_EQ(whole, 16);
  for (const auto& [fit, unit] : std::vector<std::pair<int64_t, int64_t>>{
           {16, 16}, {15, 8}, {5, 4}, {1, 1}}) {
    const auto [found, taken] = logits(fit);
    EXPECT_EQ(taken, unit);
    EXPECT_EQ(found, expected) << fit;
  }
  expect_error<Error>([&] { logits(0); },
                      "the memory of the GPU is too small for one example");
}

TEST_F(GpuMemory, DifferentiatesFewerAtATimeWhereItIsTooSmall) {
  const auto values = [](const LossSlope& slope) {
    return to_tensor(slope.by_weights->tensors()[0], slope.by_weights->read(0));
  };
  const LossSlope expected = slope(1000);
  for (const int64_t fit : {5, 1}) {
    const LossSlope found = slope(fit);
    EXPECT_NEAR(found.loss, expected.loss, 1e-6);
    EXPECT_NEAR(found.by_factor, expected.by_factor, 1e-6);
    EXPECT_TRUE(at::allclose(values(found), values(expected), 1e-4, 1e-6));
  }
  expect_error<Error>([&] { slope(0); }, "too small for one example");
}

TEST_F(GpuMemory, SaysSoOnce) {
  log::set_level(log::Level::kNormal);
  ::testing::internal::CaptureStderr();
  const Small model(1);
  int64_t unit = 16;
  const auto work = [&] {
    if (unit > 8) TORCH_CHECK_WITH(OutOfMemoryError, false, "1 GiB");
  };
  halve_until_it_fits(model, unit, work);
  halve_until_it_fits(model, unit, work);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "soup: info: out of memory on the GPU: from now on as with "
            "--batch-size 8\n");
}

TEST_F(GpuMemory, OtherFailuresAreNoneOfIt) {
  const Small model(1);
  int64_t unit = 16;
  expect_error<Error>(
      [&] {
        halve_until_it_fits(model, unit, [] { throw Error("no such weight"); });
      },
      "no such weight");
  EXPECT_EQ(unit, 16);
}

TEST_F(GpuMemory, ABatchThatCannotBeSmallerNamesTheWayOut) {
  Small model(1);
  model.least = 6;
  int64_t unit = 16;
  const auto work = [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "1 GiB"); };
  expect_error<Error>([&] { halve_until_it_fits(model, unit, work); },
                      "too small for the 6 examples that --model was exported "
                      "for; export it again");
}

/// What libraries say that do not get their memory from libtorch.
TEST_F(GpuMemory, KnowsTheWordsOfOthers) {
  const Small model(1);
  for (const char* text :
       {"CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"}) {
    int64_t unit = 16;
    halve_until_it_fits(model, unit, [&] {
      if (unit > 4) throw std::runtime_error(text);
    });
    EXPECT_EQ(unit, 4) << text;
  }
}

/// The allocator of a GPU whose memory is too small, in its place.
class FullMemory : public c10::DeviceAllocator {
 public:
  FullMemory() { c10::SetAllocator(c10::kCUDA, this); }
  ~FullMemory() override { c10::SetAllocator(c10::kCUDA, nullptr); }
  c10::DataPtr allocate(size_t /*bytes*/) override { return {}; }
  void copy_data(void*, const void*, size_t) const override {}
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t /*pool*/) override { ++emptied; }
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(
      c10::DeviceIndex device) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    if (device == 2) stats.num_ooms = failed;
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {}

  int64_t failed = 0;
  int emptied = 0;
};

// As the code in a .pt2 does.
TEST_F(GpuMemory, IsSeenWhereTheFailureDoesNotSayWhatItWas) {
  if (at::hasCUDA()) GTEST_SKIP() << "has the allocator of a GPU";
  FullMemory memory;
  memory.failed = 7;
  Small model(1);
  model.place = at::Device(at::kCUDA, 2);
  int64_t unit = 16;
  halve_until_it_fits(model, unit, [&] {
    if (unit <= 8) return;
    ++memory.failed;
    throw std::runtime_error("run_func_(...) API call failed");
  });
  EXPECT_EQ(unit, 8);
  EXPECT_EQ(memory.emptied, 1);
  const auto broken = [] { throw std::runtime_error("API call failed"); };
  EXPECT_THROW(halve_until_it_fits(model, unit, broken), std::runtime_error);
  EXPECT_EQ(unit, 8);
}

/// A program in which memory runs out, of which TorchScript hands on the text.
TEST_F(GpuMemory, OfProgramsCountsAreTheSame) {
  MemoryCheckpoint pictures(
      "x", {{.name = "pictures", .shape = {kCount, 3, 224, 224}},
            {.name = "labels", .dtype = DType::kI64, .shape = {kCount}}});
  fill(pictures, 0,
       at::randn({kCount, 3, 1, 1}).expand({-1, -1, 224, 224}).contiguous());
  fill(pictures, 1, at::randint(kClasses, {kCount}, at::kLong));
  save_checkpoint(pictures, spec_.labels_file, {}, {.force = true});
  MemoryCheckpoint weights("w", {{.name = "scale", .shape = {kClasses}}});
  fill(weights, 0, at::tensor({1.0F, 1.5F, 0.5F}));
  const auto correct = [&](const std::string& first) {
    torch::jit::Module module("Net");
    module.register_parameter("scale", at::ones({kClasses}), false);
    module.define("def forward(self, x):\n" + first +
                  "  return x.mean([2, 3]) * self.scale\n");
    const std::string path = (folder_ / "net.ts").string();
    module.save(path);
    const auto evaluators =
        make_evaluators({&spec_, 1}, weights, {.model = path, .device = "cpu"});
    return evaluators.front()->evaluate(weights)->correct.value();
  };
  const int64_t expected = correct("");
  EXPECT_GT(expected, 0);
  EXPECT_EQ(correct("  assert x.size(0) < 4, 'CUDA out of memory'\n"),
            expected);
}

}  // namespace
}  // namespace soup
