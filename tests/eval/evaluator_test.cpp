#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>
#include <random>

#include "core/log.h"
#include "soup/error.h"
#include "soup/eval.h"
#include "soup/model.h"
#include "support/expect_error.h"
#include "support/kept_logits.h"
#include "support/random_vit.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::kept_logits;
using testing::random_vit;

constexpr int64_t kCount = 300;
constexpr int64_t kClasses = 5;

void write_idx(const std::filesystem::path& path,
               const std::vector<uint32_t>& shape,
               const std::vector<uint8_t>& values) {
  std::string out = {'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (uint32_t size : shape) {
    for (int shift : {24, 16, 8, 0}) {
      out.push_back(static_cast<char>(size >> shift & 0xff));
    }
  }
  out.append(values.begin(), values.end());
  std::ofstream(path, std::ios::binary) << out;
}

class InProcess : public ::testing::Test {
 protected:
  InProcess() {
    log::set_level(log::Level::kQuiet);
    std::mt19937 generator(3);
    for (size_t i = 0; i < kCount * 64; ++i) {
      pixels_.push_back(static_cast<uint8_t>(generator() >> 24));
    }
    for (size_t i = 0; i < kCount; ++i) {
      labels_.push_back(static_cast<uint8_t>(generator() % kClasses));
    }
    write_idx(folder_ / "images", {kCount, 8, 8}, pixels_);
    write_idx(folder_ / "labels", {kCount}, labels_);
    spec_.name = "random";
    spec_.loader = "idx";
    spec_.images = folder_ / "images";
    spec_.labels_file = folder_ / "labels";
    spec_.preprocess.mean = {0.4};
    spec_.preprocess.std = {0.3};
  }
  ~InProcess() override { log::set_level(log::Level::kNormal); }

  std::unique_ptr<Evaluator> make(EvaluatorOptions options = {}) {
    options.device = options.device == "auto" ? "cpu" : options.device;
    return std::move(
        make_evaluators(std::span(&spec_, 1), *random_vit(), options).front());
  }

  // What the model says, computed apart, all pictures at once.
  at::Tensor logits_by_hand(const Checkpoint& weights) {
    const auto model = make_model("vit", weights, at::kCPU);
    model->load(weights);
    const at::Tensor pixels =
        at::from_blob(pixels_.data(), {kCount, 1, 8, 8}, at::kByte);
    return model->forward((pixels.to(at::kFloat) / 255 - 0.4) / 0.3);
  }

  int64_t correct_by_hand(const Checkpoint& weights) {
    const at::Tensor labels =
        at::from_blob(labels_.data(), {kCount}, at::kByte).to(at::kLong);
    return logits_by_hand(weights).argmax(1).eq(labels).sum().item<int64_t>();
  }

  /// Logits by example of one evaluation in the order given.
  std::vector<float> logits(const EvaluatorOptions& options,
                            const std::vector<int64_t>& order = {}) {
    std::vector<float> out(kCount * kClasses);
    EvaluateOptions watched{.order = order};
    watched.logits = [&](std::span<const Verdict> verdicts,
                         std::span<const float> values) {
      ASSERT_EQ(values.size(), verdicts.size() * kClasses);
      for (size_t i = 0; i < verdicts.size(); ++i) {
        std::copy_n(values.data() + i * kClasses, kClasses,
                    out.data() + verdicts[i].example * kClasses);
      }
    };
    make(options)->evaluate(*random_vit(), watched);
    return out;
  }

  /// Predictions by fast arithmetic are those of fp32 on the same device.
  void expect_fp32_of(const std::vector<std::string>& precisions,
                      const std::string& device) {
    const auto exact = make({.device = device});
    for (const std::string& precision : precisions) {
      const auto fast = make({.device = device, .precision = precision});
      for (uint32_t seed = 1; seed < 6; ++seed) {
        const auto weights = random_vit({}, seed);
        std::vector<int32_t> expected;
        std::vector<int32_t> found;
        const auto note = [](std::vector<int32_t>& into) {
          return [&into](std::span<const Verdict> verdicts) {
            for (const Verdict& v : verdicts) into.push_back(v.prediction);
            return true;
          };
        };
        const Score a = *exact->evaluate(*weights, {.watch = note(expected)});
        const Score b = *fast->evaluate(*weights, {.watch = note(found)});
        EXPECT_EQ(a.correct, b.correct) << precision << " " << seed;
        EXPECT_EQ(expected, found) << precision << " " << seed;
      }
    }
  }

  testing::TempFolder folder_;
  std::vector<uint8_t> pixels_;
  std::vector<uint8_t> labels_;
  DatasetSpec spec_;
};

std::vector<int64_t> shuffled(uint32_t seed) {
  std::vector<int64_t> order(kCount);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  return order;
}

TEST_F(InProcess, CountsWhatTheModelGetsRight) {
  const auto evaluator = make();
  EXPECT_EQ(evaluator->dataset(), "random");
  EXPECT_EQ(evaluator->examples(), kCount);
  EXPECT_TRUE(evaluator->counts());
  for (uint32_t seed : {1U, 2U, 3U}) {
    const auto weights = random_vit({}, seed);
    const Score score = evaluator->evaluate(*weights).value();
    EXPECT_EQ(score.correct, correct_by_hand(*weights));
    EXPECT_EQ(score.count, kCount);
    EXPECT_EQ(score.value, static_cast<double>(*score.correct) / kCount);
    EXPECT_EQ(score.metric, "top1");
    EXPECT_GT(score.seconds, 0);
  }
}

TEST_F(InProcess, LogitsAreTheModels) {
  const std::vector<float> found = logits({});
  const at::Tensor expected = logits_by_hand(*random_vit());
  const at::Tensor same = at::from_blob(const_cast<float*>(found.data()),
                                        {kCount, kClasses}, at::kFloat);
  EXPECT_LT((same - expected).abs().max().item<double>(), 1e-4);
}

TEST_F(InProcess, LogitsDoNotDependOnTheOrder) {
  const std::vector<float> in_order = logits({});
  for (uint32_t seed : {1U, 2U}) {
    EXPECT_EQ(logits({}, shuffled(seed)), in_order);
  }
}

TEST_F(InProcess, LogitsDoNotDependOnBatchSizeAndThreads) {
  const std::vector<float> expected = logits({});
  for (const int64_t batch : {1, 7, 64, 1000}) {
    EvaluatorOptions options;
    options.batch_size = batch;
    for (const int threads : {1, 2, 3}) {
      options.threads = threads;
      EXPECT_EQ(logits(options, shuffled(9)), expected)
          << batch << " " << threads;
    }
  }
}

TEST_F(InProcess, LogitsDoNotDependOnTheNeighbours) {
  const std::vector<float> expected = logits({});
  const std::vector<float> few = logits({}, {17, 3, 299});
  for (const size_t example : {17U, 3U, 299U}) {
    for (size_t c = 0; c < kClasses; ++c) {
      EXPECT_EQ(few[example * kClasses + c], expected[example * kClasses + c]);
    }
  }
}

TEST_F(InProcess, NllDoesNotDependOnTheOrder) {
  EvaluatorOptions options;
  options.metric = "nll";
  const auto evaluator = make(options);
  EXPECT_FALSE(evaluator->counts());
  const auto weights = random_vit();
  const Score expected = evaluator->evaluate(*weights).value();
  EXPECT_FALSE(expected.correct);
  EXPECT_FALSE(expected.higher_is_better);
  const std::vector<int64_t> order = shuffled(4);
  EXPECT_EQ(evaluator->evaluate(*weights, {.order = order})->value,
            expected.value);
  const at::Tensor labels =
      at::from_blob(labels_.data(), {kCount}, at::kByte).to(at::kLong);
  const double by_hand =
      at::cross_entropy_loss(logits_by_hand(*weights), labels).item<double>();
  EXPECT_NEAR(expected.value, by_hand, 1e-5 * by_hand);
}

TEST_F(InProcess, WatchSeesEveryBatchInOrder) {
  EvaluatorOptions options;
  options.batch_size = 64;
  const std::vector<int64_t> order = shuffled(5);
  std::vector<int64_t> seen;
  std::vector<size_t> sizes;
  const auto watch = [&](std::span<const Verdict> batch) {
    sizes.push_back(batch.size());
    for (const Verdict& v : batch) {
      seen.push_back(v.example);
      EXPECT_EQ(v.label, labels_[static_cast<size_t>(v.example)]);
      EXPECT_EQ(v.term, v.prediction == v.label ? 1 : 0);
      EXPECT_EQ(v.margin > 0, v.term > 0);
    }
    return true;
  };
  make(options)->evaluate(*random_vit(), {.order = order, .watch = watch});
  EXPECT_EQ(seen, order);
  EXPECT_EQ(sizes, (std::vector<size_t>{64, 64, 64, 64, 44}));
}

TEST_F(InProcess, WatchStops) {
  EvaluatorOptions options;
  options.batch_size = 64;
  int calls = 0;
  const auto watch = [&](std::span<const Verdict>) { return ++calls < 2; };
  EXPECT_FALSE(make(options)->evaluate(*random_vit(), {.watch = watch}));
  EXPECT_EQ(calls, 2);
}

TEST_F(InProcess, EvaluatorsShareOneModel) {
  DatasetSpec half = spec_;
  half.name = "half";
  half.range = {0, 100};
  const std::vector<DatasetSpec> specs = {spec_, half};
  const auto a = random_vit({}, 1);
  const auto b = random_vit({}, 2);
  const auto evaluators = make_evaluators(specs, *a, {.device = "cpu"});
  ASSERT_EQ(evaluators.size(), 2U);
  const Score first = evaluators[0]->evaluate(*a).value();
  EXPECT_EQ(evaluators[1]->evaluate(*b)->count, 100);
  EXPECT_EQ(evaluators[0]->evaluate(*a)->correct, first.correct);
}

// Several data sets in turn, of which each is looked at in parts.
TEST_F(InProcess, WeightsThatAreLoadedServeEveryDataSet) {
  DatasetSpec half = spec_;
  half.name = "half";
  half.range = {0, 100};
  const std::vector<DatasetSpec> specs = {spec_, half};
  for (const char* precision : {"fp32", "bf16"}) {
    const auto evaluators = make_evaluators(
        specs, *random_vit(), {.device = "cpu", .precision = precision});
    const auto margins = [&](size_t set, const Checkpoint& weights,
                             bool loaded) {
      std::vector<float> found;
      EvaluateOptions options{.loaded = loaded};
      options.watch = [&](std::span<const Verdict> batch) {
        for (const Verdict& v : batch) found.push_back(v.margin);
        return true;
      };
      EXPECT_TRUE(evaluators[set]->look(weights, options));
      return found;
    };
    const auto a = random_vit({}, 1);
    const auto b = random_vit({}, 2);
    const std::vector<float> of_a = margins(1, *a, false);
    EXPECT_NE(margins(1, *b, false), of_a);
    const std::vector<float> all_of_a = margins(0, *a, false);
    EXPECT_EQ(margins(1, *a, true), of_a) << precision;
    EXPECT_EQ(margins(0, *a, true), all_of_a) << precision;
    EXPECT_EQ(margins(1, *b, true), of_a) << "they were loaded";
  }
}

TEST_F(InProcess, ClassesOfASpecAreOutputsOfTheHead) {
  std::ofstream(folder_ / "classes") << "4\n0,2\n3\n1\n2\n";
  spec_.classes = folder_ / "classes";
  const std::vector<float> projected = logits({});
  spec_.classes.clear();
  const std::vector<float> all = logits({});
  for (size_t i = 0; i < kCount; ++i) {
    const float* const row = all.data() + i * kClasses;
    EXPECT_EQ(projected[i * kClasses], row[4]);
    EXPECT_EQ(projected[i * kClasses + 1], std::max(row[0], row[2]));
    EXPECT_EQ(projected[i * kClasses + 3], row[1]);
  }
  std::ofstream(folder_ / "classes") << "0\n5\n";
  spec_.classes = folder_ / "classes";
  expect_error<Error>([&] { make(); }, "outputs up to 5 of the head");
}

TEST_F(InProcess, AnyOfSeveralRightLabelsCounts) {
  std::filesystem::create_directories(folder_ / "pictures/c");
  std::filesystem::copy_file(
      std::filesystem::path(SOUP_TEST_DATA) / "pictures/grey.png",
      folder_ / "pictures/c/x.png");
  spec_.loader = "folders";
  spec_.path = folder_ / "pictures";
  spec_.labels = "map";
  spec_.label_map = folder_ / "labels.tsv";
  const auto correct = [&](const std::string& labels) {
    std::ofstream(spec_.label_map) << "x.png\t" << labels << "\n";
    return make()->evaluate(*random_vit())->correct.value();
  };
  int64_t alone = 0;
  for (const char* label : {"0", "1", "2", "3", "4"}) alone += correct(label);
  EXPECT_EQ(alone, 1);
  EXPECT_EQ(correct("3,1,4,0,2"), 1);
  EXPECT_EQ(correct("0,1") + correct("2,3,4"), 1);
  // As one model says it and, as an ensemble of one, its logits.
  const auto evaluator = make();
  EXPECT_EQ(evaluator->labels(0).size(), 3U);
  const CheckpointPtr kept = kept_logits(*evaluator, *random_vit());
  const auto judge = make_logits_evaluator(*kept, "kept", "top1");
  EXPECT_EQ(judge->evaluate(*kept)->correct,
            evaluator->evaluate(*random_vit())->correct);
}

TEST_F(InProcess, LabelsBeyondTheHeadAreAnError) {
  labels_[7] = 9;
  write_idx(folder_ / "labels", {kCount}, labels_);
  expect_error<Error>([&] { make(); },
                      "random: its labels go up to 9, which takes 10 classes, "
                      "but the model has 5");
}

TEST_F(InProcess, OtherWeightsAreAnError) {
  const auto evaluator = make();
  const auto wide = random_vit({.classes = 7}, 1, "wide.safetensors");
  expect_error<Error>([&] { evaluator->evaluate(*wide); },
                      "wide.safetensors: 'head.weight' is [7, 64], but the "
                      "model has [5, 64]");
  // And does not harm what comes after.
  EXPECT_TRUE(evaluator->evaluate(*random_vit()));
}

TEST_F(InProcess, WeightsThatAreNoNumbersScoreZero) {
  auto broken = random_vit();
  const size_t index = broken->find("norm.weight").value();
  const std::span<std::byte> bytes = broken->mutable_bytes(index);
  std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
  const Score score = make()->evaluate(*broken).value();
  EXPECT_EQ(score.correct, 0);
}

TEST_F(InProcess, ExamplesThatAreNotThereAreAnError) {
  const std::vector<int64_t> order = {0, kCount};
  expect_error<Error>(
      [&] { make()->evaluate(*random_vit(), {.order = order}); },
      "random: has no example 300");
}

TEST_F(InProcess, UnknownNamesAreUsageErrors) {
  EvaluatorOptions options;
  options.metric = "top2";
  expect_error<UsageError>([&] { make(options); }, "did you mean 'top1'");
  options = {.model = "vitt"};
  expect_error<UsageError>([&] { make(options); }, "unknown model 'vitt'");
  options = {.device = "tpu"};
  expect_error<UsageError>([&] { make(options); }, "unknown device 'tpu'");
}

TEST_F(InProcess, Top5IsAtLeastTop1) {
  EvaluatorOptions options;
  options.metric = "top5";
  EXPECT_EQ(make(options)->evaluate(*random_vit())->correct, kCount);
}

TEST_F(InProcess, GpuCountsAsTheCpu) {
  if (torch_info().gpus == 0) GTEST_SKIP() << "no GPU";
  const std::vector<float> cpu = logits({});
  const std::vector<float> gpu = logits({.device = "cuda"});
  for (size_t i = 0; i < cpu.size(); ++i) EXPECT_NEAR(cpu[i], gpu[i], 1e-3);
  EXPECT_EQ(logits({.device = "cuda"}, shuffled(1)), gpu);
}

TEST(Paths, AreThoseOfThePictures) {
  const testing::TempFolder folder;
  const std::filesystem::path picture =
      std::filesystem::path(SOUP_TEST_DATA) / "pictures" / "rgb.png";
  for (const char* name : {"cat", "dog"}) {
    std::filesystem::create_directory(folder / name);
    std::filesystem::copy_file(picture, folder / name / "1.png");
  }
  const DatasetSpec spec = find_dataset(folder.path().string(), {});
  log::set_level(log::Level::kQuiet);
  const auto evaluators =
      make_evaluators(std::span(&spec, 1), *random_vit(), {.device = "cpu"});
  log::set_level(log::Level::kNormal);
  EXPECT_EQ(evaluators.front()->path(1), (folder / "dog/1.png").string());
}

TEST(LeftOut, PicturesLeaveTheOthersTheirLogits) {
  const testing::TempFolder folder;
  const std::filesystem::path pictures =
      std::filesystem::path(SOUP_TEST_DATA) / "pictures";
  for (const char* name : {"0.png", "1.png", "3.png"}) {
    std::filesystem::create_directories(folder / "a");
    std::filesystem::copy_file(
        pictures / (name[0] == '3' ? "grey_4.png" : "rgb.png"),
        folder / "a" / name);
  }
  log::set_level(log::Level::kQuiet);
  const EvaluatorOptions options{.device = "cpu",
                                 .cache = {.folder = folder / "cache"}};
  const auto logits = [&] {
    DatasetSpec spec = find_dataset(folder.path().string(), {});
    spec.path = folder / "data";
    spec.skip_bad = 1;
    std::vector<float> all;
    make_evaluators(std::span(&spec, 1), *random_vit(), options)
        .front()
        ->evaluate(*random_vit(),
                   {.logits = [&](auto, std::span<const float> values) {
                     all.insert(all.end(), values.begin(), values.end());
                   }});
    return all;
  };
  std::filesystem::create_directory(folder / "data");
  std::filesystem::rename(folder / "a", folder / "data/a");
  const std::vector<float> good = logits();
  std::ofstream(folder / "data/a/2.png") << "no picture";
  EXPECT_EQ(logits(), good);
  EXPECT_EQ(logits(), good);  // from the cache
  log::set_level(log::Level::kNormal);
}

TEST_F(InProcess, FastCountsAreThoseOfFp32) {
  expect_fp32_of({"bf16", "fp16"}, "cpu");
}

TEST_F(InProcess, GpuFastCountsAreThoseOfFp32) {
  if (torch_info().gpus == 0) GTEST_SKIP() << "no GPU";
  expect_fp32_of({"bf16", "fp16", "tf32"}, "cuda");
}

TEST_F(InProcess, FastLogitsAreNearThoseOfFp32) {
  const std::vector<float> exact = logits({});
  const std::vector<float> fast = logits({.precision = "bf16-only"});
  EXPECT_NE(exact, fast);
  for (size_t i = 0; i < exact.size(); ++i) {
    // 8 bits, through two blocks of random weights.
    EXPECT_NEAR(exact[i], fast[i], 0.2 * (1 + std::abs(exact[i])));
  }
}

}  // namespace
}  // namespace soup
