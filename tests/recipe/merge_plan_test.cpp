#include "recipe/merge_plan.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "recipe/merge_fixture.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;

// A decoder of `layers` layers whose every value is `value`.
void write_decoder(const std::filesystem::path& folder, int64_t layers,
                   float value, int64_t vocabulary = 4) {
  std::vector<TensorInfo> tensors;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    tensors.push_back({.name = name, .shape = std::move(shape)});
  };
  add("model.embed_tokens.weight", {vocabulary, 2});
  for (int64_t i = 0; i < layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i);
    add(layer + ".self_attn.q_proj.weight", {2, 2});
    add(layer + ".mlp.up_proj.weight", {3, 2});
  }
  add("model.norm.weight", {2});
  add("lm_head.weight", {vocabulary, 2});
  MemoryCheckpoint model(folder, tensors);
  for (size_t i = 0; i < tensors.size(); ++i) {
    std::vector<float> values(static_cast<size_t>(tensors[i].numel()), value);
    std::memcpy(model.mutable_bytes(i).data(), values.data(),
                values.size() * sizeof(float));
  }
  std::filesystem::create_directories(folder);
  save_checkpoint(model, folder / "model.safetensors");
  std::ofstream(folder / "config.json")
      << R"({"architectures": ["LlamaForCausalLM"], "num_hidden_layers": )"
      << layers << R"(, "vocab_size": )" << vocabulary
      << R"(, "layer_types": ["x0", "x1", "x2", "x3"], "dtype": "float32"})";
}

class MergePlan : public testing::MergeFixture {
 protected:
  void SetUp() override {
    write_decoder(folder_ / "A", 4, 1);
    write_decoder(folder_ / "B", 4, 2);
  }

  // First value of a tensor of the soup of `text`.
  float first_value(const std::string& text, const std::string& name) {
    const Recipe made = recipe(text);
    const auto opened = open_ingredients(made);
    make_soup(made, pointers(opened), folder_ / "out.safetensors",
              {.force = true});
    const CheckpointPtr out = open_checkpoint(folder_ / "out.safetensors");
    return static_cast<float>(values(*out, name)[0]);
  }
};

constexpr const char* kStack = R"(merge_method: linear
slices:
  - sources: [{model: A, layer_range: [0, 2]}]
  - sources: [{model: B, layer_range: [1, 4]}]
)";

TEST_F(MergePlan, StacksAndRenumbersLayers) {
  const Plan made = plan(kStack);
  EXPECT_EQ(made.tensors.size(), 5 * 2 + 3U);
  const auto& from = tensor(made, "model.layers.2.mlp.up_proj.weight");
  ASSERT_EQ(from.sources.size(), 1U);
  EXPECT_EQ(from.sources[0].ingredient, 1U);
  EXPECT_EQ(opened_[1]->tensors()[from.sources[0].tensor].name,
            "model.layers.1.mlp.up_proj.weight");
  EXPECT_EQ(tensor(made, "model.embed_tokens.weight").sources[0].ingredient,
            0U);
  EXPECT_EQ(tensor(made, "model.norm.weight").sources[0].ingredient, 1U);
  EXPECT_EQ(tensor(made, "lm_head.weight").sources[0].ingredient, 1U);
}

TEST_F(MergePlan, LooksParametersUpFromSourceToRecipe) {
  const Plan made = plan(R"(merge_method: linear
slices:
  - sources:
      - {model: A, layer_range: [0, 2], parameters: {weight: 0.25}}
      - {model: B, layer_range: [2, 4], parameters: {weight: [{filter: layers.2.mlp, value: 7}]}}
    parameters: {weight: [{filter: mlp, value: 0.5}]}
parameters: {weight: 0.75}
)");
  const auto weight = [&](const char* name) {
    return tensor(made, name).sources.at(1).weight;
  };
  // What a source says is about the names of its own model.
  EXPECT_EQ(weight("model.layers.0.mlp.up_proj.weight"), 7);
  EXPECT_EQ(weight("model.layers.1.mlp.up_proj.weight"), 0.5);
  EXPECT_EQ(weight("model.layers.0.self_attn.q_proj.weight"), 0.75);
}

TEST_F(MergePlan, GradientsReachBothEndsAndRestOutsideOfLayers) {
  const Plan made = plan(R"(merge_method: linear
models:
  - {model: A, parameters: {weight: [1, 3, 5]}}
  - {model: B, parameters: {weight: 2}}
)");
  const auto weight = [&](const std::string& name) {
    return tensor(made, name).sources.at(0).weight;
  };
  EXPECT_EQ(weight("model.layers.0.mlp.up_proj.weight"), 1);
  EXPECT_NEAR(weight("model.layers.1.mlp.up_proj.weight"), 1 + 4.0 / 3, 1e-12);
  EXPECT_EQ(weight("model.layers.3.mlp.up_proj.weight"), 5);
  EXPECT_EQ(weight("model.embed_tokens.weight"), 1);
  EXPECT_EQ(weight("model.norm.weight"), 1);
  EXPECT_EQ(weight("lm_head.weight"), 1);
}

TEST_F(MergePlan, DoesNotReadWhatHasNoWeight) {
  const Plan made = plan(R"(merge_method: linear
models:
  - {model: A, parameters: {weight: 1}}
  - {model: B, parameters: {weight: [{filter: mlp, value: 1}, {value: 0}]}}
)");
  EXPECT_EQ(tensor(made, "model.norm.weight").sources.size(), 1U);
  EXPECT_EQ(tensor(made, "model.layers.0.mlp.up_proj.weight").sources.size(),
            2U);
}

TEST_F(MergePlan, NamesEveryMistakeAtOnce) {
  try {
    plan(R"(merge_method: linear
slices:
  - sources: [{model: A, layer_range: [0, 5]}]
  - sources: [{model: B, layer_range: [3, 9]}]
)");
    FAIL() << "nothing thrown";
  } catch (const Error& e) {
    const std::string what = e.what();
    EXPECT_NE(what.find("r.yml:3: layer_range [0, 5] is past the end"),
              std::string::npos)
        << what;
    EXPECT_NE(what.find("r.yml:4: layer_range [3, 9]"), std::string::npos);
    EXPECT_NE(what.find("has 4 layers"), std::string::npos);
  }
}

TEST_F(MergePlan, RefusesWeightsThatAddUpToZero) {
  expect_error<Error>(
      [&] {
        plan(R"(merge_method: linear
models:
  - {model: A, parameters: {weight: 1}}
  - {model: B, parameters: {weight: -1}}
)");
      },
      "add up to zero");
}

TEST_F(MergePlan, RefusesOtherVocabulariesWithTheWayOut) {
  write_decoder(folder_ / "C", 4, 3, 5);
  expect_error<Error>(
      [&] { plan("merge_method: linear\nmodels: [{model: A}, {model: C}]\n"); },
      "other vocabularies: give tokenizer_source");
}

TEST_F(MergePlan, WarnsOfAFilterThatMatchesNothing) {
  const Plan made = plan(R"(merge_method: linear
models:
  - {model: A, parameters: {weight: [{filter: block_sparse_moe, value: 2}, {value: 1}]}}
  - {model: B, parameters: {weight: 1}}
)");
  ASSERT_EQ(made.notices.size(), 1U);
  EXPECT_NE(made.notices[0].find("'block_sparse_moe' matches no tensor"),
            std::string::npos);
}

TEST_F(MergePlan, WarnsOfAParameterThatNoRuleHas) {
  const std::string models = "base_model: A\nmodels: [{model: B}]\n";
  const Plan one = plan("merge_method: task_arithmetic\n" + models +
                        "parameters: {weight: 1, density: 0.5}\n");
  ASSERT_EQ(one.notices.size(), 1U);
  EXPECT_NE(one.notices[0].find("r.yml:4: 'density' has no effect: "
                                "task_arithmetic has no such parameter"),
            std::string::npos)
      << one.notices[0];
  // One of several rules has it.
  EXPECT_TRUE(plan("merge_method: [{filter: mlp, value: ties}, "
                   "{value: task_arithmetic}]\n" +
                   models + "parameters: {weight: 1, density: 0.5}\n")
                  .notices.empty());
}

TEST_F(MergePlan, AFilterChoosesTheRuleOfATensor) {
  const Plan made = plan(R"(merge_method:
  - {filter: mlp, value: slerp}
  - {value: task_arithmetic}
slices:
  - sources:
      - {model: A, layer_range: [0, 4]}
      - {model: B, layer_range: [0, 4], parameters: {weight: 0.25}}
base_model: A
parameters: {t: 0.5}
)");
  const auto rule = [&](const char* name) {
    return tensor(made, name).rule->name;
  };
  EXPECT_EQ(rule("model.layers.0.mlp.up_proj.weight"), "slerp");
  EXPECT_EQ(rule("model.layers.0.self_attn.q_proj.weight"), "task_arithmetic");
}

TEST_F(MergePlan, WeightsAreAskedForWhereTheyMeanSomething) {
  write_decoder(folder_ / "C", 4, 3);
  const Plan made = plan(
      "merge_method: model_stock\nbase_model: A\nmodels:\n"
      "  - {model: B, parameters: {weight: 2}}\n  - {model: C}\n");
  EXPECT_EQ(tensor(made, "model.norm.weight").sources.at(0).weight, 1);
  ASSERT_EQ(made.notices.size(), 1U);
  EXPECT_NE(made.notices[0].find("r.yml:4: 'weight' has no effect"),
            std::string::npos);
}

TEST_F(MergePlan, SaysHowItUnderstoodTheModels) {
  EXPECT_EQ(plan(kStack).inferred.size(), 5U);
}

TEST_F(MergePlan, SaysOnceThatASourceHasNoWeight) {
  expect_error<Error>(
      [&] {
        plan(
            "merge_method: linear\nmodels:\n"
            "  - {model: A, parameters: {weight: 1}}\n  - {model: B}\n");
      },
      "B/model.safetensors has no weight, but another source has; give one to "
      "each: 'lm_head.weight' and 10 more");
}

TEST_F(MergePlan, MixesWhatItPlans) {
  EXPECT_EQ(first_value("merge_method: linear\nmodels:\n"
                        "  - {model: A, parameters: {weight: 1}}\n"
                        "  - {model: B, parameters: {weight: 3}}\n",
                        "model.norm.weight"),
            1.75F);
}

TEST_F(MergePlan, DocumentsFeedEachOther) {
  const std::string text = R"(name: stage
merge_method: linear
models: [{model: A}, {model: B}]
---
merge_method: linear
models:
  - {model: stage, parameters: {weight: 1}}
  - {model: A, parameters: {weight: 1}}
)";
  EXPECT_EQ(first_value(text, "model.norm.weight"), 1.25F);
  EXPECT_TRUE(verify_soup(folder_ / "out.safetensors").same);
  expect_error<UsageError>(
      [&] { recipe("name: a\nmerge_method: linear\nmodels: [{model: a}]\n"); },
      "feeds itself");
}

// Described once each, however deep they lie.
TEST_F(MergePlan, LongChainsOfDocumentsArePlannedInTime) {
  std::string text = "name: s0\nmerge_method: linear\nmodels: [{model: A}]\n";
  const auto add = [&](int i) {
    text += "---\nname: s" + std::to_string(i) +
            "\nmerge_method: linear\nmodels: [{model: s" +
            std::to_string(i - 1) + "}]\n";
  };
  for (int i = 1; i < 16; ++i) add(i);
  EXPECT_EQ(first_value(text, "model.norm.weight"), 1);
  add(16);
  expect_error<UsageError>([&] { recipe(text); },
                           "r.yml:1: the document 's0' feeds others that feed "
                           "others, more than 16 deep");
}

TEST_F(MergePlan, RefusesDocumentsThatAreUsedWithoutEnd) {
  std::string text;
  for (int i = 0; i < 16; ++i) {
    const auto model = [&](int back) {
      return i < back ? std::string(back == 1 ? "A" : "B")
                      : "s" + std::to_string(i - back);
    };
    text += "---\nname: s" + std::to_string(i) +
            "\nmerge_method: linear\nmodels: [{model: " + model(1) +
            "}, {model: " + model(2) + "}]\n";
  }
  expect_error<UsageError>([&] { recipe(text); },
                           "is made of more than 1000 others");
}

TEST_F(MergePlan, NamesWhatIsMissingTogetherWithOtherMistakes) {
  try {
    recipe(
        "merge_method: linear\nmodels:\n  - {model: none}\n"
        "  - {model: A, parameters: {wieght: 1}}\n");
    FAIL() << "nothing thrown";
  } catch (const UsageError& e) {
    const std::string what = e.what();
    EXPECT_NE(what.find("2 mistakes:\n  r.yml:3: 'none' is neither"),
              std::string::npos)
        << what;
    EXPECT_NE(what.find("\n  r.yml:4: unknown parameter 'wieght'"),
              std::string::npos)
        << what;
  }
}

// JSON is YAML, and mergekit's recipe in it is no recipe of ours.
TEST_F(MergePlan, TakesMergekitsRecipesInBraces) {
  EXPECT_EQ(recipe(R"({"merge_method": "linear", "models": [{"model": "A"}]})")
                .ingredients.size(),
            1U);
  EXPECT_EQ(recipe("\xEF\xBB\xBF{merge_method: linear, models: [{model: A}]}")
                .ingredients.size(),
            1U);
  for (const char* empty : {"", "\n\n", "# nothing\n", "---\n---\n"}) {
    expect_error<UsageError>([&] { recipe(empty); }, "r.yml: holds no recipe");
  }
}

// What a soup carries rounds inputs to the type that the YAML said.
TEST_F(MergePlan, StrictFormKeepsBothTypes) {
  const Recipe made = recipe(
      "merge_method: linear\nmodels: [{model: A}, {model: B}]\n"
      "dtype: bfloat16\nout_dtype: float32\n");
  const Recipe again = parse_recipe(recipe_json(made, folder_.path()).dump(),
                                    "r.json", folder_.path());
  EXPECT_EQ(again.work_dtype, "bf16");
  EXPECT_EQ(again.dtype, "f32");
}

TEST_F(MergePlan, WritesAFolderWhoseConfigAgrees) {
  const Recipe made = recipe(kStack);
  const auto opened = open_ingredients(made);
  std::vector<const Checkpoint*> ingredients;
  for (const CheckpointPtr& c : opened) ingredients.push_back(c.get());
  make_soup(made, ingredients, folder_.path() / "out/", {});
  std::ifstream in(folder_ / "out/config.json");
  const auto config = nlohmann::json::parse(in);
  EXPECT_EQ(config["num_hidden_layers"], 5);
  EXPECT_EQ(config["layer_types"],
            (nlohmann::json{"x0", "x1", "x1", "x2", "x3"}));
  EXPECT_EQ(config["dtype"], "float32");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/README.md"));
  EXPECT_TRUE(verify_soup(folder_ / "out").same);
}

TEST_F(MergePlan, SaysHowToFetchAModel) {
  expect_error<Error>(
      [&] { recipe("merge_method: linear\nmodels: [{model: org/none}]\n"); },
      "hf download org/none");
}

TEST_F(MergePlan, ReadsOnlyWhatIsAllowed) {
  testing::TempFolder elsewhere;
  write_decoder(elsewhere / "X", 4, 1);
  std::filesystem::create_symlink(elsewhere / "X", folder_ / "link");
  for (const std::string& name :
       {(elsewhere / "X").string(), std::string("link")}) {
    const Recipe made =
        recipe("merge_method: linear\nmodels: [{model: " + name + "}]\n");
    const std::vector<std::filesystem::path> own = {folder_.path()};
    expect_error<Error>([&] { check_recipe_paths(made, own); }, "--allow-path");
    const std::vector<std::filesystem::path> both = {folder_.path(),
                                                     elsewhere.path()};
    EXPECT_NO_THROW(check_recipe_paths(made, both));
  }
}

}  // namespace
}  // namespace soup
