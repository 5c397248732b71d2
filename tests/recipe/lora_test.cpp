#include <gtest/gtest.h>

#include <filesystem>

#include "recipe/adapters.h"
#include "soup/recipe.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::Matrix;
using testing::state_dict;
using testing::TempFolder;
using testing::values;
using testing::write_adapter;

// W [2, 3], rank 1: B = (1, 2), A = (1, 10, 100), alpha / r = 2.
const std::vector<Matrix> kFactors = {
    {"base_model.model.fc.lora_A.weight", {1, 3}, {1, 10, 100}},
    {"base_model.model.fc.lora_B.weight", {2, 1}, {1, 2}}};
constexpr const char* kConfig = R"({"peft_type":"LORA","r":1,"lora_alpha":2})";

CheckpointPtr merge_adapter(CheckpointPtr base,
                            const std::filesystem::path& folder) {
  const AdapterShare adapter = {.path = folder};
  return merge_adapters(std::move(base), {&adapter, 1});
}

CheckpointPtr base() {
  return state_dict("base", {{"fc.weight", {2, 3}, {0, 0, 0, 1, 1, 1}},
                             {"fc.bias", {2}, {5, 6}}});
}

TEST(MergeAdapter, AddsTheScaledProduct) {
  const TempFolder folder;
  write_adapter(folder.path(), kConfig, kFactors);
  const CheckpointPtr merged = merge_adapter(base(), folder.path());
  EXPECT_EQ(values(*merged, "fc.weight"),
            (std::vector<float>{2, 20, 200, 5, 41, 401}));
  EXPECT_EQ(values(*merged, "fc.bias"), (std::vector<float>{5, 6}));
}

// A merged weight is made in memory; what is only the base's is not.
TEST(MergeAdapter, PlansCountTheMemoryOfMergedWeights) {
  const TempFolder folder;
  const int64_t side = 2048;
  const std::vector<float> zeros(static_cast<size_t>(side));
  write_adapter(folder.path(), kConfig,
                {{"base_model.model.fc.lora_A.weight", {1, side}, zeros},
                 {"base_model.model.fc.lora_B.weight", {side, 1}, zeros}});
  const auto large = [&] {
    return std::make_unique<MemoryCheckpoint>(
        "base", std::vector<TensorInfo>{{.name = "fc.weight",
                                         .dtype = DType::kF32,
                                         .shape = {side, side}}});
  };
  const auto peak_memory = [](const CheckpointPtr& model) {
    Recipe recipe;
    recipe.ingredients.push_back({.path = "model"});
    const Checkpoint* const ingredient = model.get();
    return make_plan(recipe, {&ingredient, 1}).peak_memory;
  };
  const int64_t more =
      peak_memory(merge_adapter(large(), folder.path())) - peak_memory(large());
  EXPECT_GE(more, side * side * 4);
}

TEST(MergeAdapter, RsloraDividesByTheRoot) {
  const TempFolder folder;
  write_adapter(
      folder.path(),
      R"({"peft_type":"LORA","r":4,"lora_alpha":2,"use_rslora":true})",
      {{"base_model.model.fc.lora_A.weight",
        {4, 3},
        {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}},
       {"base_model.model.fc.lora_B.weight",
        {2, 4},
        {1, 2, 3, 9, 4, 5, 6, 9}}});
  const CheckpointPtr merged = merge_adapter(base(), folder.path());
  // alpha / sqrt(r) = 1; the fourth row of A is zero.
  EXPECT_EQ(values(*merged, "fc.weight"),
            (std::vector<float>{1, 2, 3, 5, 6, 7}));
}

TEST(MergeAdapter, HonoursAlphaPatternAndTransposedWeights) {
  const TempFolder folder;
  write_adapter(folder.path(),
                R"({"peft_type":"LORA","r":1,"lora_alpha":2,
                    "alpha_pattern":{"fc":1},"fan_in_fan_out":true})",
                kFactors);
  const CheckpointPtr merged = merge_adapter(
      state_dict("base", {{"fc.weight", {3, 2}, {0, 0, 0, 0, 0, 0}}}),
      folder.path());
  EXPECT_EQ(values(*merged, "fc.weight"),
            (std::vector<float>{1, 2, 10, 20, 100, 200}));
}

// PEFT's rule: an expression for the end of the name, the first that fits.
TEST(MergeAdapter, TakesTheFirstPatternThatMatches) {
  const TempFolder folder;
  for (const auto& [patterns, scale] :
       {std::pair{R"({"c":5,"f[a-c]":3,"fc":4})", 3.0F},
        {R"({"^fc":3,".*":4})", 3.0F},
        {R"({"a.fc":5,"fcc":6})", 2.0F}}) {
    write_adapter(folder.path(),
                  R"({"peft_type":"LORA","r":1,"lora_alpha":2,
                      "alpha_pattern":)" +
                      std::string(patterns) + "}",
                  kFactors);
    EXPECT_EQ(values(*merge_adapter(base(), folder.path()), "fc.weight")[0],
              scale)
        << patterns;
  }
}

TEST(MergeAdapter, ReplacesWholeTensors) {
  const TempFolder folder;
  std::vector<Matrix> factors = kFactors;
  factors.push_back({"base_model.model.fc.bias", {2}, {7, 8}});
  write_adapter(folder.path(), kConfig, factors);
  EXPECT_EQ(values(*merge_adapter(base(), folder.path()), "fc.bias"),
            (std::vector<float>{7, 8}));
}

TEST(MergeAdapter, FindsTheModuleBehindAnotherPrefix) {
  const TempFolder folder;
  write_adapter(folder.path(), kConfig, kFactors);
  const CheckpointPtr merged = merge_adapter(
      state_dict("base", {{"model.fc.weight", {2, 3}, {0, 0, 0, 0, 0, 0}}}),
      folder.path());
  EXPECT_EQ(values(*merged, "model.fc.weight").front(), 2);
}

TEST(MergeAdapter, NamesWhatDoesNotFit) {
  const TempFolder folder;
  write_adapter(folder.path(), kConfig, kFactors);
  expect_error<Error>(
      [&] {
        merge_adapter(state_dict("base", {{"fc.weight", {3, 2}, {1}}}),
                      folder.path());
      },
      "make [2, 3], but base has [3, 2] F32");
  expect_error<Error>(
      [&] {
        merge_adapter(state_dict("base", {{"x.weight", {2, 3}, {1}}}),
                      folder.path());
      },
      "changes 'fc.weight', which base does not have");
}

TEST(MergeAdapter, RefusesWhatIsNoPlainLora) {
  const TempFolder folder;
  const auto refused = [&](const std::string& config,
                           const std::vector<Matrix>& factors,
                           const std::string& part) {
    write_adapter(folder.path(), config, factors);
    expect_error<Error>([&] { merge_adapter(base(), folder.path()); }, part);
  };
  refused(R"({"peft_type":"IA3","r":1,"lora_alpha":2})", kFactors,
          "of type \"IA3\", only LORA can be merged");
  refused(R"({"peft_type":"LORA","r":1,"lora_alpha":2,"use_dora":true})",
          kFactors, "a DoRA adapter");
  refused(
      R"({"peft_type":"LORA","r":1,"lora_alpha":2,"init_lora_weights":"pissa_niter_4"})",
      kFactors, "trained on a changed base model ('pissa_niter_4')");
  refused(
      R"({"peft_type":"LORA","r":1,"lora_alpha":2,"target_parameters":["x"]})",
      kFactors, "an adapter of bare parameters");
  refused(R"({"peft_type":7})", kFactors, "of type 7, only LORA");
  refused(
      R"({"peft_type":"LORA","r":1,"lora_alpha":2,"alpha_pattern":{"a":"b"}})",
      kFactors, "alpha_pattern holds no number");
  refused(R"({"peft_type":"LORA","r":1})", kFactors, "'lora_alpha' is missing");
  refused("[]", kFactors, "expected a JSON object");
  refused(kConfig, {kFactors[0]}, "has lora_A or lora_B only");
  refused(kConfig,
          {kFactors[0],
           {"base_model.model.fc.lora_B.weight", {2, 2}, {1, 2, 3, 4}}},
          "does not fit its partner");
  refused(kConfig, {{"base_model.model.fc.lora_magnitude_vector", {1}, {1}}},
          "no factor of a plain LoRA adapter");
}

}  // namespace
}  // namespace soup
