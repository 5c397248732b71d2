#include "recipe/experts.h"

#include <gtest/gtest.h>

#include "recipe/values.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::checkpoint;
using testing::Entry;
using testing::expect_error;
using testing::floats;

const std::string kLayer = "model.layers.0";

// Two experts of 1 inner neuron and width 2; value: 100 expert + 10 matrix + i.
std::vector<Entry> separate_model() {
  std::vector<Entry> entries = {
      floats(kLayer + ".block_sparse_moe.gate.weight", DType::kF32,
             {1, 2, 3, 4}, {2, 2}),
      floats("model.norm.weight", DType::kF32, {5, 6})};
  for (int e : {1, 0}) {
    const std::string expert =
        kLayer + ".block_sparse_moe.experts." + std::to_string(e);
    const double v = 100.0 * e;
    entries.push_back(
        floats(expert + ".w1.weight", DType::kF32, {v + 10, v + 11}, {1, 2}));
    entries.push_back(
        floats(expert + ".w2.weight", DType::kF32, {v + 20, v + 21}, {2, 1}));
    entries.push_back(
        floats(expert + ".w3.weight", DType::kF32, {v + 30, v + 31}, {1, 2}));
  }
  return entries;
}

std::vector<Entry> fused_model() {
  return {
      floats(kLayer + ".mlp.gate.weight", DType::kF32, {1, 2, 3, 4}, {2, 2}),
      floats("model.norm.weight", DType::kF32, {5, 6}),
      floats(kLayer + ".mlp.experts.gate_up_proj", DType::kF32,
             {10, 11, 30, 31, 110, 111, 130, 131}, {2, 2, 2}),
      floats(kLayer + ".mlp.experts.down_proj", DType::kF32, {20, 21, 120, 121},
             {2, 2, 1})};
}

CheckpointPtr shown(std::vector<Entry> entries, ExpertLayout wanted) {
  Recipe recipe;
  recipe.experts = wanted;
  std::vector<CheckpointPtr> models;
  models.push_back(checkpoint("m", std::move(entries)));
  use_expert_layout(recipe, models);
  return std::move(models.front());
}

void expect_same(const Checkpoint& found, const std::vector<Entry>& wanted) {
  ASSERT_EQ(found.tensors().size(), wanted.size());
  for (const Entry& entry : wanted) {
    const auto index = found.find(entry.tensor.name);
    ASSERT_TRUE(index) << entry.tensor.name;
    EXPECT_EQ(found.tensors()[*index].shape, entry.tensor.shape);
    EXPECT_EQ(testing::decode(DType::kF32, found.read(*index).bytes()),
              testing::decode(DType::kF32, entry.bytes))
        << entry.tensor.name;
  }
}

TEST(Experts, AreSeparatedAndFused) {
  expect_same(*shown(fused_model(), ExpertLayout::kSeparate), separate_model());
  expect_same(*shown(separate_model(), ExpertLayout::kFused), fused_model());
}

TEST(Experts, StayAsTheyAreUnlessAskedFor) {
  expect_same(*shown(fused_model(), ExpertLayout::kKeep), fused_model());
  expect_same(*shown(separate_model(), ExpertLayout::kSeparate),
              separate_model());
}

TEST(Experts, OfTheFirstModelWhereLayoutsDiffer) {
  std::vector<CheckpointPtr> models;
  models.push_back(checkpoint("a", separate_model()));
  models.push_back(checkpoint("b", fused_model()));
  use_expert_layout({}, models);
  expect_same(*models[1], separate_model());
}

TEST(Experts, RefusesWhatDoesNotFit) {
  std::vector<Entry> model = separate_model();
  model.pop_back();
  expect_error<Error>([&] { shown(model, ExpertLayout::kFused); },
                      "expert 0 of");
  model = fused_model();
  model[2].tensor.shape = {2, 4};
  expect_error<Error>([&] { shown(model, ExpertLayout::kSeparate); },
                      "not the shape of Mixtral's experts");
}

}  // namespace
}  // namespace soup
