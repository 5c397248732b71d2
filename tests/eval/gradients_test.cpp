#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>

#include "core/log.h"
#include "soup/error.h"
#include "soup/eval.h"
#include "support/expect_error.h"
#include "support/random_resnet.h"
#include "support/random_vit.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::random_resnet;
using testing::random_vit;
using testing::TempFolder;

constexpr int64_t kCount = 40;

/// float32 values of a state dict, converted and changed.
std::unique_ptr<MemoryCheckpoint> moved(const Checkpoint& from,
                                        const Checkpoint* along, double by) {
  const auto infos = from.tensors();
  std::vector<TensorInfo> tensors(infos.begin(), infos.end());
  auto made = std::make_unique<MemoryCheckpoint>("moved", tensors);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorData data = from.read(i);
    std::memcpy(made->mutable_bytes(i).data(), data.bytes().data(),
                data.bytes().size());
    if (along == nullptr || tensors[i].dtype != DType::kF32) continue;
    const TensorData step = along->read(i);
    for (int64_t k = 0; k < tensors[i].numel(); ++k) {
      float value = 0;
      float direction = 0;
      std::memcpy(&value, data.bytes().data() + k * 4, 4);
      std::memcpy(&direction, step.bytes().data() + k * 4, 4);
      value += static_cast<float>(by) * direction;
      std::memcpy(made->mutable_bytes(i).data() + k * 4, &value, 4);
    }
  }
  return made;
}

/// A random direction in the tensor `index` alone.
std::unique_ptr<MemoryCheckpoint> direction(const Checkpoint& like,
                                            size_t index) {
  const auto infos = like.tensors();
  std::vector<TensorInfo> tensors(infos.begin(), infos.end());
  auto made = std::make_unique<MemoryCheckpoint>("direction", tensors);
  std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  for (int64_t k = 0; k < tensors[index].numel(); ++k) {
    const float value = normal(generator);
    std::memcpy(made->mutable_bytes(index).data() + k * 4, &value, 4);
  }
  return made;
}

double product(const Checkpoint& a, const Checkpoint& b, size_t index) {
  const TensorData left = a.read(index);
  const TensorData right = b.read(index);
  double sum = 0;
  for (int64_t k = 0; k < a.tensors()[index].numel(); ++k) {
    float x = 0;
    float y = 0;
    std::memcpy(&x, left.bytes().data() + k * 4, 4);
    std::memcpy(&y, right.bytes().data() + k * 4, 4);
    sum += static_cast<double>(x) * y;
  }
  return sum;
}

class GradientsTest : public ::testing::Test {
 protected:
  GradientsTest() { log::set_level(log::Level::kQuiet); }
  ~GradientsTest() override { log::set_level(log::Level::kNormal); }

  /// Random pictures, [count, height, width, channels] as a data set.
  DatasetSpec data(int64_t channels, int64_t height, int64_t width,
                   int64_t classes) {
    std::mt19937 generator(3);
    const auto write = [&](const std::string& name, const std::string& descr,
                           const std::string& shape, const std::string& bytes) {
      std::string header = "{'descr': '" + descr +
                           "', 'fortran_order': False, 'shape': " + shape +
                           ", }";
      header.resize(117, ' ');
      header += '\n';
      std::ofstream(folder_ / name, std::ios::binary)
          << std::string("\x93NUMPY\x01\x00", 8) << '\x76' << '\0' << header
          << bytes;
    };
    std::string pixels;
    for (int64_t i = 0; i < kCount * channels * height * width; ++i) {
      pixels.push_back(static_cast<char>(generator() >> 24));
    }
    std::string labels;
    for (int64_t i = 0; i < kCount; ++i) {
      labels.push_back(static_cast<char>(generator() % classes));
    }
    const auto n = std::to_string(kCount);
    write("images.npy", "|u1",
          "(" + n + ", " + std::to_string(height) + ", " +
              std::to_string(width) + ", " + std::to_string(channels) + ")",
          pixels);
    write("labels.npy", "|u1", "(" + n + ",)", labels);
    DatasetSpec spec;
    spec.name = "random";
    spec.loader = "npy";
    spec.images = folder_ / "images.npy";
    spec.labels_file = folder_ / "labels.npy";
    spec.preprocess.resize = "none";
    spec.preprocess.mean.assign(static_cast<size_t>(channels), 0.5);
    spec.preprocess.std.assign(static_cast<size_t>(channels), 0.25);
    return spec;
  }

  std::unique_ptr<Evaluator> make(const Checkpoint& like,
                                  const DatasetSpec& spec,
                                  EvaluatorOptions options = {}) const {
    options.device = "cpu";
    return std::move(make_evaluators({&spec, 1}, like, options).front());
  }

  static std::vector<int64_t> all() {
    std::vector<int64_t> order(kCount);
    std::iota(order.begin(), order.end(), 0);
    return order;
  }

  // A tensor whose gradient is another's, or transposed, gives another slope.
  // `slack`: of networks with kinks, which small steps cross.
  static void expect_slopes_of_small_steps(const Checkpoint& weights,
                                           Evaluator& evaluator,
                                           double slack = 1) {
    GradientSource& source = *evaluator.gradients();
    const LossSlope found = source.differentiate(weights, all(), 1.5);
    for (size_t i = 0; i < weights.tensors().size(); ++i) {
      const TensorInfo& info = weights.tensors()[i];
      ASSERT_EQ(found.by_weights->tensors()[i].name, info.name);
      if (info.dtype != DType::kF32 || info.numel() == 0) continue;
      const auto along = direction(weights, i);
      const double expected = product(*found.by_weights, *along, i);
      const double size =
          std::sqrt(product(*found.by_weights, *found.by_weights, i));
      const double step = 5e-3 / std::sqrt(product(*along, *along, i));
      const auto loss = [&](double by) {
        return source
            .differentiate(*moved(weights, along.get(), by), all(), 1.5)
            .loss;
      };
      // Fourth order, so that float32 is what limits it.
      const double slope = (8 * (loss(step) - loss(-step)) -
                            (loss(2 * step) - loss(-2 * step))) /
                           (12 * step);
      const double length = std::sqrt(product(*along, *along, i));
      EXPECT_NEAR(slope, expected, slack * (0.005 * size + 2e-3) * length)
          << info.name;
    }
  }

  TempFolder folder_;
};

class GradientsOfModels : public GradientsTest,
                          public ::testing::WithParamInterface<const char*> {};

TEST_P(GradientsOfModels, AreTheSlopesOfSmallSteps) {
  const fs::path folder = fs::path(SOUP_TEST_DATA) / "models" / GetParam();
  const auto weights = open_checkpoint(folder / "model.safetensors");
  const auto expected = open_checkpoint(folder / "expected.safetensors");
  const auto shape = expected->tensors()[*expected->find("pictures")].shape;
  const auto logits = expected->tensors()[*expected->find("logits")].shape;
  EvaluatorOptions options;
  if (fs::exists(folder / "head.safetensors")) {
    options.head = folder / "head.safetensors";
  }
  const auto evaluator =
      make(*weights, data(shape[1], shape[2], shape[3], logits[1]), options);
  expect_slopes_of_small_steps(*weights, *evaluator);
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, GradientsOfModels,
    ::testing::Values("vit_token", "vit_registers", "vit_mean_norm", "vit_wide",
                      "vit_distilled", "vit_clip_quickgelu", "hf_vit",
                      "hf_deit_teacher", "clip_paper", "clip_open",
                      "clip_texts", "hf_clip", "hf_clip_texts"));

TEST_F(GradientsTest, OfBatchNormReachItsMoments) {
  const auto weights = random_resnet();
  DatasetSpec spec = data(3, 32, 32, 4);
  spec.preprocess.size = 32;
  const auto evaluator = make(*weights, spec);
  expect_slopes_of_small_steps(*weights, *evaluator, 4);
}

TEST_F(GradientsTest, AreTheSameOnAnyNumberOfThreads) {
  const auto weights = random_vit({.size = 32});
  const DatasetSpec spec = data(1, 32, 32, 5);
  const auto bytes_on = [&](int threads) {
    EvaluatorOptions options;
    options.threads = threads;
    const auto evaluator = make(*weights, spec, options);
    const LossSlope found =
        evaluator->gradients()->differentiate(*weights, all(), 1);
    std::vector<std::byte> bytes;
    for (size_t i = 0; i < weights->tensors().size(); ++i) {
      const TensorData data = found.by_weights->read(i);
      bytes.insert(bytes.end(), data.bytes().begin(), data.bytes().end());
    }
    return bytes;
  };
  const auto alone = bytes_on(1);
  for (const int threads : {2, 3, 4}) EXPECT_EQ(bytes_on(threads), alone);
}

TEST_F(GradientsTest, LeaveScoresAsTheyAre) {
  const auto weights = random_vit();
  const auto evaluator = make(*weights, data(1, 8, 8, 5), {.metric = "nll"});
  const double before = evaluator->evaluate(*weights)->value;
  const LossSlope found =
      evaluator->gradients()->differentiate(*weights, all(), 1);
  EXPECT_NEAR(found.loss, before, 1e-6);
  EXPECT_EQ(evaluator->evaluate(*weights)->value, before);
}

TEST_F(GradientsTest, AreOfTheExamplesAskedFor) {
  const auto weights = random_vit();
  const auto evaluator = make(*weights, data(1, 8, 8, 5));
  GradientSource& source = *evaluator->gradients();
  const std::vector<int64_t> first = {0, 1, 2};
  const std::vector<int64_t> rest = {3, 4, 5, 6, 7, 8, 9, 10, 11};
  std::vector<int64_t> both = rest;
  both.insert(both.end(), first.begin(), first.end());
  const double mean = (3 * source.differentiate(*weights, first, 1).loss +
                       9 * source.differentiate(*weights, rest, 1).loss) /
                      12;
  EXPECT_NEAR(source.differentiate(*weights, both, 1).loss, mean, 1e-6);
  const std::vector<int64_t> beyond = {0, kCount};
  expect_error<Error>([&] { source.differentiate(*weights, beyond, 1); },
                      "no example 40");
}

}  // namespace
}  // namespace soup
