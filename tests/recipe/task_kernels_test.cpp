#include "recipe/task_kernels.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/philox.h"
#include "recipe/draws.h"
#include "recipe/kernels.h"
#include "recipe/kernels_variants.h"
#include "recipe/values.h"

namespace soup {
namespace {

using testing::random_weights;

constexpr size_t kCount = 1027;  // with a tail for every vector
constexpr double kInf = std::numeric_limits<double>::infinity();

std::vector<uint32_t> random_draws(size_t n, uint64_t seed) {
  testing::Random random(seed);
  std::vector<uint32_t> draws(n);
  for (uint32_t& draw : draws) draw = static_cast<uint32_t>(random.next());
  return draws;
}

// Signs of every kind, zeros, and a few equal ones.
std::vector<double> differences(uint64_t seed) {
  std::vector<double> values = random_weights(kCount, seed);
  for (size_t i = 0; i < kCount; ++i) {
    if (i % 2 == 0) values[i] = -values[i];
    if (i % 7 == 0) values[i] = 0;
    if (i % 11 == 0) values[i] = -0.25;
  }
  return values;
}

class TaskLoops : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const TaskKernels& loops_ = GetParam()->task;
  const TaskKernels& base_ = kBaseKernels.task;
};

TEST_P(TaskLoops, DrawWhatPhiloxGives) {
  const uint64_t key = 0x0123'4567'89ab'cdef;
  for (uint64_t block : {uint64_t{0}, uint64_t{7}, uint64_t{0xffff'fff8}}) {
    std::array<uint32_t, kDrawsAtOnce> drawn;
    loops_.draw(block, 3, key, drawn.data());
    for (size_t i = 0; i < drawn.size(); ++i) {
      const uint64_t at = block + i / 4;
      const auto four = philox(
          {static_cast<uint32_t>(at), static_cast<uint32_t>(at >> 32), 3, 0},
          key);
      ASSERT_EQ(drawn[i], four[i % 4]) << block << " " << i;
    }
  }
}

TEST_P(TaskLoops, TellMagnitudesApartAsFloatsAndAsDoubles) {
  std::vector<double> values = differences(1);
  values[5] = 1 + 1e-12;  // one, as a float
  values[6] = -1;
  values[9] = NAN;
  for (bool floats : {true, false}) {
    for (double limit : {0.25, 1.0, 0.0, kInf}) {
      std::vector<double> shares(kCount);
      loops_.larger(values.data(), kCount, floats, limit, 500, shares.data());
      for (size_t i = 0; i < kCount; ++i) {
        double size = std::fabs(values[i]);
        if (floats) size = static_cast<float>(size);
        const bool stays = size > limit || (size == limit && i < 500);
        ASSERT_EQ(shares[i], stays ? 1 : 0) << floats << limit << " " << i;
      }
    }
  }
}

TEST_P(TaskLoops, CountAndOrderKeys) {
  const std::vector<double> values = differences(2);
  std::vector<uint64_t> keys(kCount);
  loops_.float_keys(values.data(), kCount, keys.data());
  size_t quarters = 0;
  for (size_t i = 0; i < kCount; ++i) {
    quarters += values[i] == -0.25 ? 1 : 0;
    const auto size = static_cast<float>(std::fabs(values[i]));
    ASSERT_EQ(keys[i] > keys[3], size > std::fabs(float(values[3]))) << i;
  }
  EXPECT_EQ(loops_.count_equal(keys.data(), kCount, 0x3e80'0000), quarters);
}

TEST_P(TaskLoops, CompareDrawsWithEveryLimit) {
  std::vector<uint32_t> draws = random_draws(kCount, 3);
  draws[1] = 0xffff'ffff;
  draws[2] = 0;
  for (uint64_t limit : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 31,
                         uint64_t{0xffff'ffff}, uint64_t{1} << 32}) {
    std::vector<double> shares(kCount);
    loops_.smaller(draws.data(), kCount, limit, shares.data());
    for (size_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(shares[i], draws[i] < limit ? 1 : 0) << limit << " " << i;
    }
  }
}

TEST_P(TaskLoops, UnpackBitsFromAnywhere) {
  testing::Random random(4);
  std::vector<uint64_t> bits(20);
  for (uint64_t& word : bits) word = random.next();
  for (size_t begin : {0, 1, 63, 64, 130}) {
    std::vector<double> shares(kCount);
    loops_.unpack(bits.data(), begin, kCount, shares.data());
    for (size_t i = 0; i < kCount; ++i) {
      const size_t at = begin + i;
      ASSERT_EQ(shares[i], static_cast<double>((bits[at / 64] >> at % 64) & 1));
    }
  }
}

// Draws right at their limit decide: those below draw_limit(p) stay.
TEST_P(TaskLoops, StayByRankAsTheLimitSays) {
  const double start = 0.25;
  const double step = 0.5 / (kCount - 1);
  std::vector<uint32_t> ranks(kCount);
  std::vector<uint32_t> draws(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    ranks[i] = static_cast<uint32_t>((i * 5) % kCount);
    const uint64_t limit = draw_limit(start + step * ranks[i]);
    draws[i] = static_cast<uint32_t>(limit - i % 3);
  }
  std::vector<uint64_t> words((kCount + 63) / 64, ~uint64_t{0});
  loops_.stay_by_rank(ranks.data(), draws.data(), kCount, start, step,
                      words.data());
  for (size_t i = 0; i < words.size() * 64; ++i) {
    const bool stays = i < kCount && i % 3 != 0;
    ASSERT_EQ(((words[i / 64] >> i % 64) & 1) != 0, stays) << i;
  }
}

TEST_P(TaskLoops, SumLikeTheBase) {
  const std::vector<double> x = random_weights(kCount, 5);
  const std::vector<double> difference = differences(6);
  const std::vector<double> shares = random_weights(kCount, 7);
  const auto run = [&](const TaskKernels& loops) {
    std::vector<std::vector<double>> all(8, random_weights(kCount, 8));
    const SideSums up = {all[0].data(), all[1].data(), all[2].data()};
    const SideSums down = {all[3].data(), all[4].data(), all[5].data()};
    double* total = all[6].data();
    loops.add_shares(x.data(), shares.data(), kCount, 0.3, up.sum, up.share);
    loops.add_by_sign(x.data(), difference.data(), shares.data(), kCount, 0.7,
                      0.9, total, up, down);
    loops.subtract(x.data(), kCount, total);
    loops.choose_side(total, kCount, up, down);
    all[2][8] = 0;
    loops.finish_sum(up.sum, up.share, up.weight, x.data(), kCount, 1.7,
                     all[7].data());
    all.push_back({loops.dot_product(x.data(), shares.data(), kCount)});
    all.emplace_back(kCount);
    loops.magnitudes(difference.data(), kCount, true, all.back().data());
    return all;
  };
  EXPECT_EQ(run(loops_), run(base_));
}

TEST_P(TaskLoops, GiveTermsToTheSideOfTheirSign) {
  const std::vector<double> x = {10, 20, 30};
  const std::vector<double> difference = {1, -1, 0};
  const std::vector<double> shares = {1, 1, 1};
  std::vector<std::vector<double>> all(7, std::vector<double>(3));
  const SideSums up = {all[0].data(), all[1].data(), all[2].data()};
  const SideSums down = {all[3].data(), all[4].data(), all[5].data()};
  loops_.add_by_sign(x.data(), difference.data(), shares.data(), 3, 2, 4,
                     all[6].data(), up, down);
  EXPECT_EQ(all, (std::vector<std::vector<double>>{{20, 0, 0},
                                                   {2, 0, 0},
                                                   {4, 0, 0},
                                                   {0, 40, 0},
                                                   {0, 2, 0},
                                                   {0, 4, 0},
                                                   {2, -2, 0}}));
  loops_.choose_side(all[6].data(), 3, up, down);
  EXPECT_EQ(all[0], (std::vector<double>{20, 40, 0}));
}

INSTANTIATE_TEST_SUITE_P(Kernels, TaskLoops,
                         ::testing::ValuesIn(kernel_variants().begin(),
                                             kernel_variants().end()),
                         [](const auto& variant) {
                           return variant.param->name;
                         });

}  // namespace
}  // namespace soup
