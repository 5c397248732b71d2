#include "recipe/exact.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "recipe/exact_sum.h"
#include "recipe/values.h"

namespace soup {
namespace {

using testing::decode;
using testing::encode;
using testing::ExactSum;
using testing::Models;
using testing::Random;

// True when finite `found` is the value of `dtype` nearest to the mean of
// `column`, the even one of two that are equally near.
bool is_rounded_once(DType dtype, const std::vector<double>& column,
                     uint16_t code) {
  const auto value = [&](uint16_t c) {
    return decode(dtype, testing::raw<uint16_t>({c})).front();
  };
  const auto count = static_cast<int64_t>(column.size());
  // The neighbours; beyond the largest number lies what would be the next one.
  const auto toward = [&](bool up) {
    const bool negative = (code & 0x8000U) != 0;
    if ((code & 0x7fffU) == 0) {
      return value(up ? 0x0001U : 0x8001U);
    }
    const double next =
        value(static_cast<uint16_t>(up == negative ? code - 1 : code + 1));
    if (std::isfinite(next)) return next;
    const double previous =
        value(static_cast<uint16_t>(up == negative ? code + 1 : code - 1));
    return 2 * value(code) - previous;
  };
  const bool even = code % 2 == 0;
  const double found = value(code);
  for (bool up : {true, false}) {
    ExactSum distance;  // 2 (sum - count (found + neighbour) / 2)
    for (double x : column) distance.add(2, x);
    distance.add(-count, found);
    distance.add(-count, toward(up));
    const int beyond = up ? distance.sign() : -distance.sign();
    if (beyond > 0 || (beyond == 0 && !even)) return false;
  }
  return true;
}

uint16_t code_at(const std::vector<std::byte>& bytes, size_t i) {
  uint16_t code = 0;
  std::memcpy(&code, bytes.data() + 2 * i, 2);
  return code;
}

// Mixes `models` columns of 16-bit codes with equal weights and judges the
// means, or every `step`-th of them.
void expect_rounded_once(DType dtype,
                         const std::vector<std::vector<uint16_t>>& models,
                         const std::string& what, size_t step = 1) {
  Models checkpoints;
  std::vector<std::vector<double>> values;
  for (const std::vector<uint16_t>& codes : models) {
    const auto n = static_cast<int64_t>(codes.size());
    checkpoints.push_back(testing::checkpoint(
        "m" + std::to_string(checkpoints.size()),
        {testing::bytes_of("w", dtype, {n}, testing::raw(codes))}));
    values.push_back(decode(dtype, testing::raw(codes)));
  }
  const testing::Mixed mixed =
      testing::mix_all(testing::recipe_of(checkpoints), checkpoints);
  size_t wrong = 0;
  for (size_t i = 0; i < models.front().size(); i += step) {
    std::vector<double> column;
    for (const auto& model : values) column.push_back(model[i]);
    if (is_rounded_once(dtype, column, code_at(mixed.values.front(), i))) {
      continue;
    }
    if (++wrong <= 3) ADD_FAILURE() << what << ": element " << i;
  }
  EXPECT_EQ(wrong, 0U) << what;
}

uint16_t finite_code(Random& random, DType dtype) {
  const uint16_t infinity = dtype == DType::kBF16 ? 0x7f80 : 0x7c00;
  for (;;) {
    const auto code = static_cast<uint16_t>(random.next());
    if ((code & 0x7fffU) < infinity) return code;
  }
}

// Codes whose mean is often a tie or next to one: one value, then multiples of
// half its last bit, and now and then something tiny that breaks the tie.
uint16_t adversarial_code(Random& random, DType dtype, uint16_t leader) {
  switch (random.between(0, 5)) {
    case 0:
      return static_cast<uint16_t>(leader ^ 0x8000U);
    case 1:
      return static_cast<uint16_t>(random.between(0, 3));
    case 2:
      return static_cast<uint16_t>(0x8001 + random.between(0, 1));
    case 3:
      return finite_code(random, dtype);
    default:
      return (leader & 0x7fffU) == 0 ? leader
                                     : static_cast<uint16_t>(leader ^ 1U);
  }
}

class EveryType : public ::testing::TestWithParam<DType> {};

TEST_P(EveryType, PairsOfAnyTwoValues) {
  constexpr size_t kPairs = 400'000;
  Random random(1);
  std::vector<std::vector<uint16_t>> models(2);
  for (size_t i = 0; i < kPairs; ++i) {
    for (auto& model : models) model.push_back(finite_code(random, GetParam()));
  }
  expect_rounded_once(GetParam(), models, "pairs");
}

TEST_P(EveryType, AnyValuesOfTwoToSeventyTwoIngredients) {
  Random random(2);
  for (size_t count = 2; count <= 72; ++count) {
    std::vector<std::vector<uint16_t>> models(count);
    for (auto& model : models) {
      for (int i = 0; i < 600; ++i) {
        model.push_back(finite_code(random, GetParam()));
      }
    }
    expect_rounded_once(GetParam(), models, std::to_string(count) + " models");
  }
}

TEST_P(EveryType, TiesThatSomethingTinyBreaks) {
  Random random(3);
  for (size_t count = 2; count <= 72; ++count) {
    std::vector<std::vector<uint16_t>> models(count);
    for (int i = 0; i < 1500; ++i) {
      const uint16_t leader = finite_code(random, GetParam());
      for (size_t k = 0; k < count; ++k) {
        models[k].push_back(
            k == 0 ? leader : adversarial_code(random, GetParam(), leader));
      }
    }
    expect_rounded_once(GetParam(), models, std::to_string(count) + " models");
  }
}

// A tie and what breaks it, closer and farther apart, down to the smallest
// subnormals: the border between the fast path and the exact one. Chunks hold
// one gap each, so that no other value decides the path.
TEST_P(EveryType, TiesBrokenAtEveryDistance) {
  const double smallest = GetParam() == DType::kBF16 ? 0x1p-133 : 0x1p-24;
  const double largest = GetParam() == DType::kBF16 ? 0x1p126 : 0x1p14;
  constexpr size_t kRun = 4096;
  std::vector<std::vector<double>> columns(4);
  for (double tiny : {smallest, smallest * 2, smallest * 512, 0x1p-20}) {
    for (double x = tiny; x <= largest; x *= 2) {
      // (2a + 2b + tiny + 0) / 4 with neighbours a and b.
      const double ulp = GetParam() == DType::kBF16 ? 0x1p-7 : 0x1p-10;
      const double a = x * (1 + 2 * ulp);  // even: a tie goes there
      columns[0].insert(columns[0].end(), kRun, 2 * a);
      columns[1].insert(columns[1].end(), kRun, 2 * (a + x * ulp));
      columns[2].insert(columns[2].end(), kRun, tiny);
      columns[3].insert(columns[3].end(), kRun, 0);
    }
  }
  std::vector<std::vector<uint16_t>> models;
  for (const std::vector<double>& column : columns) {
    const std::vector<std::byte> bytes = encode(GetParam(), column);
    std::vector<uint16_t>& codes = models.emplace_back(column.size());
    std::memcpy(codes.data(), bytes.data(), bytes.size());
  }
  expect_rounded_once(GetParam(), models, "gaps", kRun / 4);
}

// Values as in trained models stay on the fast path; the answer is the same.
TEST_P(EveryType, WeightsAsTheyAre) {
  std::vector<std::vector<uint16_t>> models;
  for (uint64_t seed = 0; seed < 9; ++seed) {
    const std::vector<std::byte> bytes =
        encode(GetParam(), testing::random_weights(20'000, seed));
    std::vector<uint16_t>& codes = models.emplace_back(20'000);
    std::memcpy(codes.data(), bytes.data(), bytes.size());
  }
  expect_rounded_once(GetParam(), models, "weights");
}

INSTANTIATE_TEST_SUITE_P(Exact, EveryType,
                         ::testing::Values(DType::kBF16, DType::kF16),
                         [](const auto& type) {
                           return std::string(name(type.param));
                         });

// Every pair of the 8-bit types, judged in float64, where their sums are exact.
TEST(Exact, EveryPairOfEightBitFloats) {
  for (DType dtype : {DType::kF8E4M3, DType::kF8E5M2, DType::kF8E4M3Fnuz,
                      DType::kF8E5M2Fnuz}) {
    std::vector<std::byte> a;
    std::vector<std::byte> b;
    for (int i = 0; i < 65536; ++i) {
      a.push_back(std::byte(i & 0xff));
      b.push_back(std::byte(i >> 8));
    }
    Models models;
    models.push_back(
        testing::checkpoint("a", {testing::bytes_of("w", dtype, {65536}, a)}));
    models.push_back(
        testing::checkpoint("b", {testing::bytes_of("w", dtype, {65536}, b)}));
    Recipe recipe = testing::recipe_of(models);
    recipe.allow_nonfinite = true;
    const std::vector<double> x = decode(dtype, a);
    const std::vector<double> y = decode(dtype, b);
    std::vector<double> mean;
    for (size_t i = 0; i < x.size(); ++i) mean.push_back((x[i] + y[i]) / 2);
    EXPECT_EQ(testing::mix_all(recipe, models).values.front(),
              encode(dtype, mean))
        << name(dtype);
  }
}

TEST(ExactMean, RoundsToOddUnlessAskedForNearest) {
  // One third: 0.0101...; the last of 53 bits is 1 either way or forced to.
  const std::vector<double> third = {1, 0, 0};
  EXPECT_EQ(exact_mean(third, true), 1.0 / 3);
  const auto odd = std::bit_cast<uint64_t>(exact_mean(third, false));
  EXPECT_EQ(odd % 2, 1U);
  const std::vector<double> far = {0x1p127, 0x1p-133};
  EXPECT_EQ(exact_mean(far, true), 0x1p126);
  EXPECT_EQ(exact_mean(far, false), std::nextafter(0x1p126, INFINITY));
  const std::vector<double> below = {-0x1p127, 0x1p-133};
  EXPECT_EQ(exact_mean(below, false), std::nextafter(-0x1p126, 0.0));
  const std::vector<double> none = {0x1p127, -0x1p127};
  EXPECT_EQ(std::bit_cast<uint64_t>(exact_mean(none, false)), 0U);
}

TEST(ExactMean, KeepsWhatCancels) {
  const std::vector<double> values = {0x1p100, 0x1.8p-130, -0x1p100};
  EXPECT_EQ(exact_mean(values, true), 0x1p-131);
}

TEST(BitRange, KnowsWhenFloat64IsEnough) {
  EXPECT_TRUE(is_exact_in_double({-24, 16}, 72));
  EXPECT_TRUE(is_exact_in_double({-24, 16}, 4096));
  EXPECT_FALSE(is_exact_in_double({-24, 16}, 8192));
  EXPECT_TRUE(is_exact_in_double({0, 51}, 2));
  EXPECT_FALSE(is_exact_in_double({0, 52}, 2));
  EXPECT_TRUE(is_exact_in_double({}, 2));  // zeros only
  EXPECT_EQ(range_of(0.75).low, -2);
  EXPECT_EQ(range_of(0.75).high, 0);
  EXPECT_EQ(range_of(-1.0).low, 0);
  EXPECT_EQ(range_of(-1.0).high, 1);
}

}  // namespace
}  // namespace soup
