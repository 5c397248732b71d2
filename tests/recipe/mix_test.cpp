#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/file.h"
#include "core/hash.h"
#include "recipe/portions.h"
#include "recipe/values.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::checkpoint;
using testing::decode;
using testing::encode;
using testing::Entry;
using testing::expect_error;
using testing::floats;
using testing::integers;
using testing::mix_all;
using testing::Models;
using testing::Random;
using testing::random_weights;
using testing::recipe_of;

constexpr std::array kAveraged = {
    DType::kF64,    DType::kF32,    DType::kBF16,       DType::kF16,
    DType::kF8E4M3, DType::kF8E5M2, DType::kF8E4M3Fnuz, DType::kF8E5M2Fnuz,
    DType::kC64,    DType::kC128};

Models models_of(DType dtype, size_t count, size_t floats_each) {
  Models models;
  const auto parts = info(dtype).kind == DTypeKind::kComplex ? 2 : 1;
  for (size_t k = 0; k < count; ++k) {
    std::vector<double> values = random_weights(floats_each, k + 1);
    for (double& value : values) value *= 100;  // fp8 has no small numbers
    models.push_back(
        checkpoint("m" + std::to_string(k),
                   {floats("w", dtype, values,
                           {static_cast<int64_t>(floats_each) / parts})}));
  }
  return models;
}

class EveryAveragedType : public ::testing::TestWithParam<DType> {};

TEST_P(EveryAveragedType, EqualModelsAverageToThemselves) {
  Random random(1);
  std::vector<uint64_t> words(4098);
  for (uint64_t& word : words) word = random.next();
  words[0] = 0x8000'0000'0000'0000U;  // zeros of both signs in every type
  words[1] = 0x8000'0000'8000'8080U;
  // As bits of the type, then back without NaN and infinities.
  std::vector<double> values = decode(GetParam(), testing::raw(words));
  for (double& value : values) {
    if (!std::isfinite(value) || std::fabs(value) > 1e300) value = -0.0;
    // Below, what a float64 product lost is too small for a float64.
    if (std::fabs(value) < 1e-280) value = std::copysign(0.0, value);
  }
  const auto parts = info(GetParam()).kind == DTypeKind::kComplex ? 2 : 1;
  const auto n = static_cast<int64_t>(values.size()) / parts;
  const Entry entry = floats("w", GetParam(), values, {n});
  for (size_t count : {1, 2, 3, 5, 7, 11, 13, 72}) {
    Models models;
    std::vector<double> weights;
    for (size_t k = 0; k < count; ++k) {
      models.push_back(checkpoint("m", {entry}));
      weights.push_back(0.1 + 0.37 * static_cast<double>(k));
    }
    EXPECT_EQ(mix_all(recipe_of(models), models).values.front(), entry.bytes)
        << count << " models";
    EXPECT_EQ(mix_all(recipe_of(models, weights), models).values.front(),
              entry.bytes)
        << count << " models with different weights";
  }
}

TEST_P(EveryAveragedType, FollowsTheFormula) {
  const std::vector<double> weights = {0.5, 2, -0.25};
  const Models models = models_of(GetParam(), 3, 5000);
  std::vector<std::vector<double>> in;
  for (const auto& model : models) {
    in.push_back(decode(GetParam(), model->read(0).bytes()));
  }
  std::vector<double> mean;
  for (size_t i = 0; i < in[0].size(); ++i) {
    const double sum = weights[0] * in[0][i] + weights[1] * in[1][i];
    mean.push_back((sum + weights[2] * in[2][i]) / 2.25);
  }
  const auto found = mix_all(recipe_of(models, weights), models).values.front();
  if (float_format(GetParam()) != FloatFormat::kF64) {
    EXPECT_EQ(found, encode(GetParam(), mean));
    return;
  }
  // Float64 carries an error term that this formula does not.
  const std::vector<double> values = decode(GetParam(), found);
  for (size_t i = 0; i < mean.size(); ++i) {
    ASSERT_NEAR(values[i], mean[i], 1e-15 * std::fabs(in[1][i]) + 1e-15);
  }
}

TEST_P(EveryAveragedType, ThreadsAndTilesChangeNothing) {
  const size_t n = 2 * static_cast<size_t>(kTile) + 12345;
  const Models models = models_of(GetParam(), 2, n + n % 2);
  const testing::Mixed one =
      mix_all(recipe_of(models), models, {.threads = 1, .hash = true});
  const testing::Mixed three =
      mix_all(recipe_of(models), models, {.threads = 3, .hash = true});
  EXPECT_EQ(one.values, three.values);
  EXPECT_EQ(one.result.hashes, three.result.hashes);
  // The same values cut elsewhere: a tensor that starts 4001 floats later.
  Models shifted;
  for (const auto& model : models) {
    const TensorData data = model->read(0);
    const size_t skip = 4002 * format_bytes(float_format(GetParam()));
    const std::vector<std::byte> rest(data.bytes().begin() + skip,
                                      data.bytes().end());
    const auto parts = info(GetParam()).kind == DTypeKind::kComplex ? 2 : 1;
    shifted.push_back(checkpoint(
        "s", {testing::bytes_of(
                 "w", GetParam(),
                 {static_cast<int64_t>(n + n % 2 - 4002) / parts}, rest)}));
  }
  const auto cut = mix_all(recipe_of(shifted), shifted).values.front();
  EXPECT_TRUE(std::equal(
      cut.begin(), cut.end(),
      one.values.front().end() - static_cast<ptrdiff_t>(cut.size())));
}

INSTANTIATE_TEST_SUITE_P(Mix, EveryAveragedType, ::testing::ValuesIn(kAveraged),
                         [](const auto& type) {
                           return std::string(name(type.param));
                         });

TEST(Mix, OrderDoesNotMatterToAUniformSoupOfHalves) {
  for (DType dtype : {DType::kBF16, DType::kF16}) {
    Models models = models_of(dtype, 5, 10'000);
    const auto forward = mix_all(recipe_of(models), models).values;
    std::reverse(models.begin(), models.end());
    EXPECT_EQ(mix_all(recipe_of(models), models).values, forward);
  }
}

TEST(Mix, EqualWeightsAreAUniformSoup) {
  const Models models = models_of(DType::kF32, 3, 1000);
  const std::vector<double> tenths(3, 0.1);
  EXPECT_EQ(mix_all(recipe_of(models, tenths), models).values,
            mix_all(recipe_of(models), models).values);
}

TEST(Mix, ConvertsWithOneRounding) {
  // 1 + 2^-8 + 2^-30: to bfloat16 through float32 it would become a tie.
  Models models;
  models.push_back(
      checkpoint("a", {floats("w", DType::kF64, {1 + 0x1p-8 + 0x1p-30})}));
  Recipe recipe = recipe_of(models);
  recipe.dtype = "bf16";
  const testing::Mixed mixed = mix_all(recipe, models);
  EXPECT_EQ(mixed.plan.tensors.front().out.dtype, DType::kBF16);
  EXPECT_EQ(decode(DType::kBF16, mixed.values.front()).front(), 1 + 0x1p-7);
}

TEST(Mix, MixesTypesInTheWidest) {
  Models models;
  models.push_back(checkpoint("a", {floats("w", DType::kF16, {1, 2})}));
  models.push_back(checkpoint("b", {floats("w", DType::kBF16, {3, 5})}));
  const testing::Mixed mixed = mix_all(recipe_of(models), models);
  EXPECT_EQ(mixed.plan.tensors.front().out.dtype, DType::kF32);
  EXPECT_EQ(decode(DType::kF32, mixed.values.front()),
            (std::vector<double>{2, 3.5}));
}

TEST(Mix, OverflowGoesToInfinityOfTheOutput) {
  Models models;
  models.push_back(checkpoint("a", {floats("w", DType::kF32, {1e30, -1e30})}));
  Recipe recipe = recipe_of(models);
  recipe.dtype = "f16";
  EXPECT_EQ(decode(DType::kF16, mix_all(recipe, models).values.front()),
            (std::vector<double>{INFINITY, -INFINITY}));
}

TEST(Mix, RefusesNonFiniteValuesNamingAllOfThem) {
  Models models;
  const double nan = NAN;
  models.push_back(checkpoint("a.pt", {floats("v", DType::kF32, {1, 2}),
                                       floats("w", DType::kF16, {1, 2, 3})}));
  models.push_back(
      checkpoint("b.pt", {floats("v", DType::kF32, {1, nan}),
                          floats("w", DType::kF16, {INFINITY, nan, 3})}));
  for (const char* part :
       {"b.pt: 'v' has 1 non-finite value;", "b.pt: 'w' has 2 non-finite valu",
        "--allow-nonfinite"}) {
    expect_error<Error>([&] { mix_all(recipe_of(models), models); }, part);
  }
  Recipe recipe = recipe_of(models);
  recipe.allow_nonfinite = true;
  const auto values = mix_all(recipe, models).values;
  EXPECT_EQ(decode(DType::kF32, values[0])[0], 1);
  EXPECT_TRUE(std::isnan(decode(DType::kF32, values[0])[1]));
  EXPECT_EQ(decode(DType::kF16, values[1])[0], INFINITY);
  EXPECT_EQ(decode(DType::kF16, values[1])[2], 3);
}

TEST(Mix, ASumThatOverflowsIsNoNonFiniteValue) {
  Models models;
  models.push_back(checkpoint("a", {floats("w", DType::kF64, {1.7e308})}));
  models.push_back(checkpoint("b", {floats("w", DType::kF64, {1.7e308})}));
  EXPECT_EQ(
      decode(DType::kF64, mix_all(recipe_of(models), models).values.front())[0],
      INFINITY);
}

TEST(Mix, IntegersMustBeEqual) {
  Models models;
  models.push_back(checkpoint("a.pt", {integers("position_ids", {0, 1, 2})}));
  models.push_back(checkpoint("b.pt", {integers("position_ids", {0, 1, 2})}));
  EXPECT_EQ(mix_all(recipe_of(models), models).values.front(),
            testing::raw<int64_t>({0, 1, 2}));
  models.push_back(checkpoint("c.pt", {integers("position_ids", {0, 1, 3})}));
  expect_error<Error>(
      [&] { mix_all(recipe_of(models), models); },
      "c.pt: 'position_ids' differs from a.pt; integer tensors must be equal "
      "(--ints first keeps the first)");
  Recipe recipe = recipe_of(models);
  recipe.ints = IntPolicy::kFirst;
  const testing::Mixed mixed = mix_all(recipe, models);
  EXPECT_EQ(mixed.values.front(), testing::raw<int64_t>({0, 1, 2}));
  EXPECT_EQ(mixed.plan.bytes_read, 24);
}

TEST(Mix, CountersTakeTheLargest) {
  Models models;
  for (int64_t count : {5, 9, -3}) {
    models.push_back(checkpoint(
        "m", {integers("bn.num_batches_tracked", {count}),
              testing::bytes_of(
                  "u8.num_batches_tracked", DType::kU8, {2},
                  testing::raw<uint8_t>({static_cast<uint8_t>(count), 200}))}));
  }
  const auto values = mix_all(recipe_of(models), models).values;
  EXPECT_EQ(values[0], testing::raw<int64_t>({9}));
  EXPECT_EQ(values[1], testing::raw<uint8_t>({253, 200}));  // -3 as uint8
}

TEST(Mix, BytesOfOpaqueTypesMustBeEqual) {
  const auto model = [](uint8_t last) {
    return checkpoint("m" + std::to_string(last),
                      {testing::bytes_of("w", DType::kF4, {6},
                                         testing::raw<uint8_t>({1, 2, last}))});
  };
  Models models;
  models.push_back(model(3));
  models.push_back(model(3));
  EXPECT_EQ(mix_all(recipe_of(models), models).values.front(),
            testing::raw<uint8_t>({1, 2, 3}));
  models.push_back(model(4));
  expect_error<Error>([&] { mix_all(recipe_of(models), models); },
                      "m4: 'w' differs from m3");
}

TEST(Mix, TensorsWithoutValuesAndScalars) {
  Models models;
  for (double x : {1.0, 3.0}) {
    models.push_back(
        checkpoint("m", {testing::bytes_of("empty", DType::kF32, {3, 0}, {}),
                         testing::bytes_of("scalar", DType::kF32, {},
                                           encode(DType::kF32, {x}))}));
  }
  const auto values = mix_all(recipe_of(models), models).values;
  EXPECT_TRUE(values[0].empty());
  EXPECT_EQ(decode(DType::kF32, values[1])[0], 2);
}

TEST(Mix, TiedTensorsAreMixedOnce) {
  Models models;
  for (double x : {1.0, 3.0}) {
    const Entry embed = floats("embed", DType::kF32, {x});
    models.push_back(
        checkpoint("m", {embed, testing::tied("head", embed.tensor, 0)}));
  }
  const testing::Mixed mixed = mix_all(recipe_of(models), models);
  EXPECT_EQ(mixed.plan.tensors[1].out.tied_to, 0);
  EXPECT_EQ(mixed.plan.tensors[1].rule, nullptr);
  EXPECT_EQ(mixed.plan.bytes_read, 8);
  EXPECT_EQ(mixed.plan.bytes_write, 4);
}

// The definition in soup/recipe.h, step by step.
TEST(Mix, ContentHashIsWhatTheHeaderSays) {
  const size_t n = 300'000;  // 1.2 MB: two blocks
  Models models;
  models.push_back(checkpoint(
      "a", {floats("w", DType::kF32, random_weights(n, 1)),
            integers("ids", {7}), floats("skipped", DType::kF32, {1})}));
  models.push_back(checkpoint(
      "b", {floats("skipped", DType::kF32, {5}), integers("ids", {7}),
            floats("w", DType::kF32, random_weights(n, 2))}));
  Recipe recipe = recipe_of(models);
  recipe.exclude = "skipped";
  const testing::Mixed mixed = mix_all(recipe, models);
  const TensorData w = models[1]->read(2);
  const auto values = w.bytes();
  std::string text = std::string("ids\0I64\0[1]\0", 12) +
                     hex(xxh3_128(models[1]->read(1).bytes())) + "\n" +
                     std::string("w\0F32\0[300000]\0", 15) +
                     hex(xxh3_128(values.first(1 << 20))) +
                     hex(xxh3_128(values.subspan(1 << 20))) + "\n";
  EXPECT_EQ(mixed.result.hashes.at(1),
            hex(xxh3_128(std::as_bytes(std::span(text)))));
  EXPECT_NE(mixed.result.hashes.at(0), mixed.result.hashes.at(1));
  EXPECT_TRUE(mix_all(recipe, models, {}).result.hashes.empty());
}

// A checkpoint whose file changes while it is mixed.
class ChangingCheckpoint : public MemoryCheckpoint {
 public:
  using MemoryCheckpoint::MemoryCheckpoint;
  TensorData read(size_t index) const override {
    if (++reads_ > 1) throw Error("x.pt: changed while it was being read");
    return MemoryCheckpoint::read(index);
  }

 private:
  mutable int reads_ = 0;
};

TEST(Mix, LooksAgainWhetherFilesChanged) {
  const Entry entry = floats("w", DType::kF32, {1});
  const ChangingCheckpoint changing("x.pt", {entry.tensor});
  const std::vector<const Checkpoint*> ingredients = {&changing};
  Recipe recipe;
  recipe.ingredients = {{.path = "x.pt", .weight = 1, .hash = ""}};
  const Plan plan = make_plan(recipe, ingredients);
  testing::MapSink sink(plan);
  expect_error<Error>([&] { mix(plan, ingredients, sink); },
                      "x.pt: changed while it was being read");
}

// A checkpoint of one large tensor whose file is cut off as soon as its values
// have been handed out.
class CutCheckpoint : public Checkpoint {
 public:
  explicit CutCheckpoint(const std::filesystem::path& path) : file_(path) {
    const auto n = static_cast<int64_t>(file_.bytes().size() / 4);
    tensors_.push_back({.name = "w", .dtype = DType::kF32, .shape = {n}});
  }
  const std::filesystem::path& path() const override { return file_.path(); }
  std::string_view format() const override { return "cut"; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  TensorData read(size_t) const override {
    std::filesystem::resize_file(file_.path(), 4096);
    return TensorData(file_.bytes(), /*mapped=*/true);
  }
  const std::map<std::string, std::string>& metadata() const override {
    return metadata_;
  }

 private:
  MappedFile file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

TEST(Mix, AFileCutOffUnderItsHandsIsAnError) {
  alignas(4096) std::array<char, 4096> page{};
  if (madvise(page.data(), page.size(), 22) != 0) {  // MADV_POPULATE_READ
    GTEST_SKIP() << "Linux older than 5.14";
  }
  const testing::TempFolder folder;
  write_text(folder / "x.bin", std::string(9 << 20, '\0'), false);
  const CutCheckpoint cut(folder / "x.bin");
  const std::vector<const Checkpoint*> ingredients = {&cut};
  Recipe recipe;
  recipe.ingredients = {{.path = cut.path(), .weight = 1, .hash = ""}};
  const Plan plan = make_plan(recipe, ingredients);
  testing::MapSink sink(plan);
  expect_error<Error>([&] { mix(plan, ingredients, sink); },
                      "x.bin: cannot be read to its end");
}

}  // namespace
}  // namespace soup
