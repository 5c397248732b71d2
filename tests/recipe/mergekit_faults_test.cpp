#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "recipe/merge_fixture.h"

/// What mergekit 0.1.5 does wrong without a word, and what soup does instead.
namespace soup {
namespace {

using testing::decoder;
using testing::floats;
using testing::kMean;
using testing::weight;
using MergekitFaults = testing::MergeFixture;

// Rows of one element divided zero by zero.
TEST_F(MergekitFaults, DellaTakesRowsOfOneElement) {
  write("base", {floats("x", DType::kF32, {0, 0, 0}, {3, 1})});
  write("A", {floats("x", DType::kF32, {1, 1, 1}, {3, 1})});
  const CheckpointPtr out =
      mix("merge_method: della\nbase_model: base\nmodels: [{model: A}]\n"
          "parameters: {density: 0.5, epsilon: 0.1, weight: 1}\n");
  for (double x : values(*out, "x")) EXPECT_TRUE(std::isfinite(x));
}

// The final norm of a stack came from the last slice's first source alone.
TEST_F(MergekitFaults, TheLastSliceMixesAllItsSources) {
  const nlohmann::json layers = {{"num_hidden_layers", 2}};
  write("A", decoder("model.layers.", 2, 1), layers);
  write("B", decoder("model.layers.", 2, 3), layers);
  const CheckpointPtr out =
      mix("merge_method: linear\nparameters: {weight: 1}\nslices:\n"
          "  - sources: [{model: A, layer_range: [0, 1]}]\n"
          "  - sources: [{model: A, layer_range: [1, 2]}, "
          "{model: B, layer_range: [1, 2]}]\n");
  EXPECT_EQ(values(*out, "model.norm.weight")[0], 2);
  EXPECT_EQ(values(*out, "model.embed_tokens.weight")[0], 1);
}

// Shards of an earlier merge stayed, and were what loaders read.
TEST_F(MergekitFaults, NothingOfAnEarlierOutputStays) {
  write("A", {weight("x", 1)});
  write("B", {weight("x", 3)});
  std::filesystem::create_directories(folder_ / "out");
  for (const char* name :
       {"model-00001-of-00002.safetensors", "model.safetensors.index.json"}) {
    std::ofstream(folder_ / "out" / name) << "{}";
  }
  EXPECT_EQ(values(*mix(kMean), "x")[0], 2);
  EXPECT_FALSE(
      std::filesystem::exists(folder_ / "out/model.safetensors.index.json"));
}

}  // namespace
}  // namespace soup
