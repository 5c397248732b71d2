#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "search/table_evaluator.h"
#include "soup/search.h"

namespace soup {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;
using testing::TableEvaluator;
using testing::vector_checkpoint;

/// Margins of a model drawn from `seed`, and what fine-tuning did to them.
std::vector<float> weights(unsigned seed, unsigned change, float size) {
  std::vector<float> values(4000);
  std::mt19937 engine(seed);
  std::mt19937 changes(change);
  // Two, because one keeps every second number for the next call.
  std::normal_distribution<float> normal;
  std::normal_distribution<float> change_of;
  for (float& value : values) {
    value = normal(engine) + size * change_of(changes);
  }
  return values;
}

/// What is said of a search for strict gains among `zoo`.
std::string reason(const std::vector<CheckpointPtr>& zoo, int64_t gain = 4000) {
  TableEvaluator evaluator(4000, 100);
  SearchOptions options{.min_gain = gain};
  return find_search("greedy").run(zoo, &evaluator, options).reason;
}

std::vector<CheckpointPtr> pair(std::vector<float> a, std::vector<float> b) {
  std::vector<CheckpointPtr> zoo;
  zoo.push_back(vector_checkpoint("runs/a.pt", a));
  zoo.push_back(vector_checkpoint("runs/b.pt", b));
  return zoo;
}

TEST(Why, NothingIsSaidOfSeveral) {
  const auto zoo = pair(weights(1, 2, 0.01F), weights(1, 2, 0.01F));
  EXPECT_EQ(reason(zoo, 0), "");
}

TEST(Why, ModelsOfOtherStarts) {
  EXPECT_THAT(reason(pair(weights(1, 2, 0.01F), weights(9, 3, 0.01F))),
              MatchesRegex(".*were they trained from the same weights.; the "
                           "cosine of [ab].pt and [ab].pt is -?0.0[0-9]*, near "
                           "1 after a common start; soup ensemble needs no "
                           "common start.*"));
}

TEST(Why, FineTunesFarApart) {
  EXPECT_THAT(reason(pair(weights(1, 2, 0.35F), weights(1, 3, 0.35F))),
              HasSubstr("too far to share a basin"));
}

TEST(Why, NothingStandsOut) {
  const std::string said =
      reason(pair(weights(1, 2, 0.05F), weights(1, 3, 0.05F)));
  EXPECT_THAT(said, HasSubstr(" was kept alone: "));
  EXPECT_THAT(said, HasSubstr("of the weights' length away (cosine 0.99"));
  EXPECT_THAT(said, HasSubstr("), which is no obstacle"));
}

TEST(Why, OthersThatAreMuchWeaker) {
  std::vector<float> better = weights(1, 2, 0.05F);
  for (float& margin : better) margin += 0.3F;
  EXPECT_THAT(reason(pair(better, weights(1, 3, 0.05F))),
              StartsWith("a.pt was kept alone: the next best, b.pt, scores "));
}

TEST(Why, BatchNorm) {
  std::vector<CheckpointPtr> zoo;
  for (const char* name : {"a", "b"}) {
    const auto values = weights(1, name[0], 0.05F);
    std::vector<TensorInfo> tensors = {
        {.name = "w",
         .dtype = DType::kF32,
         .shape = {static_cast<int64_t>(values.size())}},
        {.name = "bn.running_mean", .dtype = DType::kF32, .shape = {1}}};
    auto made = std::make_unique<MemoryCheckpoint>(name, std::move(tensors));
    std::memcpy(made->mutable_bytes(0).data(), values.data(),
                values.size() * sizeof(float));
    zoo.push_back(std::move(made));
  }
  EXPECT_THAT(reason(zoo), HasSubstr("BatchNorm's running statistics"));
}

}  // namespace
}  // namespace soup
