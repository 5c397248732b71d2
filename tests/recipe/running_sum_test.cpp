#include <gtest/gtest.h>

#include <algorithm>

#include "recipe/portions.h"
#include "recipe/values.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::checkpoint;
using testing::Entry;
using testing::expect_error;
using testing::floats;
using testing::Models;
using testing::Random;

// Random bits of a float type, without what is not finite.
std::vector<double> random_bits(DType dtype, size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<uint64_t> words(n);
  for (uint64_t& word : words) word = random.next();
  std::vector<double> values = testing::decode(dtype, testing::raw(words));
  values.resize(n);
  for (double& value : values) {
    if (!(value - value == 0)) value = 1;
  }
  return values;
}

// What mix() gives for the uniform recipe over `models[order]`.
testing::Mixed expected(const Recipe& recipe, const Models& models,
                        const std::vector<size_t>& order) {
  std::vector<const Checkpoint*> ingredients;
  Recipe uniform = recipe;
  uniform.ingredients.clear();
  for (size_t k : order) {
    ingredients.push_back(models[k].get());
    uniform.ingredients.push_back(
        {.path = models[k]->path(), .weight = 1, .hash = ""});
  }
  Plan plan = make_plan(uniform, ingredients);
  testing::MapSink sink(plan);
  MixResult result = mix(plan, ingredients, sink);
  return {std::move(plan), std::move(sink.values), std::move(result)};
}

void expect_candidate(const Checkpoint& candidate, const testing::Mixed& mixed,
                      const std::string& what) {
  ASSERT_EQ(candidate.tensors().size(), mixed.plan.tensors.size()) << what;
  for (size_t i = 0; i < mixed.plan.tensors.size(); ++i) {
    const TensorInfo& tensor = mixed.plan.tensors[i].out;
    EXPECT_EQ(candidate.tensors()[i].name, tensor.name);
    EXPECT_EQ(candidate.tensors()[i].dtype, tensor.dtype) << what;
    if (tensor.tied_to >= 0) continue;
    const TensorData data = candidate.read(i);
    EXPECT_TRUE(std::equal(data.bytes().begin(), data.bytes().end(),
                           mixed.values[i].begin(), mixed.values[i].end()))
        << what << ": " << tensor.name;
  }
}

// A greedy search that accepts every second candidate.
void expect_as_mixed(const Recipe& recipe, const Models& models,
                     const std::string& what) {
  RunningSum sum(recipe);
  std::vector<size_t> accepted;
  for (size_t k = 0; k < models.size(); ++k) {
    std::vector<size_t> order = accepted;
    order.push_back(k);
    expect_candidate(sum.candidate(*models[k]), expected(recipe, models, order),
                     what + " step " + std::to_string(k));
    if (k % 3 == 2) continue;  // rejected
    sum.add(*models[k]);
    accepted.push_back(k);
  }
}

TEST(RunningSum, GivesTheBytesOfMixForEveryType) {
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBF16, DType::kF16,
                      DType::kF8E4M3, DType::kF8E5M2, DType::kF8E4M3Fnuz,
                      DType::kF8E5M2Fnuz, DType::kC64, DType::kC128}) {
    Models models;
    const bool complex = info(dtype).kind == DTypeKind::kComplex;
    for (uint64_t k = 0; k < 9; ++k) {
      std::vector<double> values = testing::random_weights(9000, k);
      // A chunk of tame values, then wild ones.
      const std::vector<double> wild = random_bits(dtype, 2000, k + 100);
      values.insert(values.end(), wild.begin(), wild.end());
      models.push_back(
          checkpoint("m" + std::to_string(k),
                     {floats("w", dtype, values, {complex ? 5500 : 11000}),
                      floats("b", dtype, {1.0 + static_cast<double>(k), 2},
                             {complex ? 1 : 2})}));
    }
    Recipe recipe;
    expect_as_mixed(recipe, models, std::string(name(dtype)));
    recipe.dtype = "bf16";
    expect_as_mixed(recipe, models, std::string(name(dtype)) + " to bf16");
  }
}

TEST(RunningSum, FollowsTypesThatWiden) {
  constexpr std::array kTypes = {DType::kBF16, DType::kBF16, DType::kF16,
                                 DType::kBF16, DType::kF32,  DType::kF16,
                                 DType::kF64,  DType::kF32};
  Models models;
  for (size_t k = 0; k < kTypes.size(); ++k) {
    models.push_back(checkpoint(
        "m" + std::to_string(k),
        {floats("w", kTypes[k], random_bits(DType::kF16, 5000, k))}));
  }
  expect_as_mixed({}, models, "types");
}

TEST(RunningSum, HasTensorsOfEveryRule) {
  Models models;
  for (int64_t k = 0; k < 5; ++k) {
    const Entry embed =
        floats("embed", DType::kF32, testing::random_weights(5000, 7));
    models.push_back(
        checkpoint("m" + std::to_string(k),
                   {embed, testing::tied("lm_head", embed.tensor, 0),
                    testing::integers("ids", {1, 2, 3}),
                    testing::integers("bn.num_batches_tracked", {k * k % 7}),
                    floats("head", DType::kF32, {static_cast<double>(k)}),
                    testing::bytes_of("none", DType::kF32, {0}, {})}));
  }
  Recipe recipe;
  recipe.exclude = "^head$";
  expect_as_mixed(recipe, models, "rules");
  recipe.dtype = "f16";
  expect_as_mixed(recipe, models, "rules to f16");
}

TEST(RunningSum, LargeTensorsAreCutInTiles) {
  Models models;
  for (uint64_t k = 0; k < 3; ++k) {
    models.push_back(checkpoint(
        "m" + std::to_string(k),
        {floats(
            "w", DType::kBF16,
            testing::random_weights(static_cast<size_t>(kTile) + 999, k))}));
  }
  expect_as_mixed({}, models, "tiles");
}

TEST(RunningSum, AFailureChangesNothing) {
  Models models;
  for (uint64_t k = 0; k < 3; ++k) {
    models.push_back(
        checkpoint("m" + std::to_string(k),
                   {floats("w", DType::kF32, testing::random_weights(10, k))}));
  }
  Models bad;
  bad.push_back(checkpoint("bad", {floats("w", DType::kF32, {1, 2})}));
  bad.push_back(checkpoint(
      "nan", {floats("w", DType::kF32, std::vector<double>(10, NAN))}));
  RunningSum sum((Recipe()));
  sum.add(*models[0]);
  expect_error<Error>([&] { sum.candidate(*bad[0]); },
                      "bad: 'w' is [2], but m0 has [10]");
  expect_error<Error>([&] { sum.candidate(*bad[1]); },
                      "nan: 'w' has 10 non-finite values");
  expect_error<Error>([&] { sum.add(*bad[0]); }, "bad: 'w' is [2]");
  sum.add(*models[1]);
  expect_candidate(sum.candidate(*models[2]), expected({}, models, {0, 1, 2}),
                   "after failures");
}

TEST(RunningSum, NeedsTheLinearRule) {
  Recipe recipe;
  recipe.rule = "first";
  expect_error<UsageError>(
      [&] { RunningSum sum(recipe); },
      "a running sum needs the rule 'linear', not 'first'");
}

}  // namespace
}  // namespace soup
