#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "recipe/merge_fixture.h"
#include "soup/error.h"
#include "support/expect_error.h"

/// What users of mergekit complained of, by the numbers of its issues, and what
/// soup does instead. Further ones: complaints_parts_test.cpp,
/// complaints_names_test.cpp, vocabulary_test.cpp; faults without a number:
/// mergekit_faults_test.cpp.
namespace soup {
namespace {

using nlohmann::json;
using testing::decoder;
using testing::Entry;
using testing::expect_error;
using testing::floats;
using testing::kMean;
using testing::weight;

using Complaints = testing::MergeFixture;

// Values that nobody may read.
class HeaderOnly : public Checkpoint {
 public:
  explicit HeaderOnly(std::vector<TensorInfo> tensors)
      : tensors_(std::move(tensors)) {}
  const std::filesystem::path& path() const override { return path_; }
  std::string_view format() const override { return "header"; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  TensorData read(size_t) const override { throw Error("a value was read"); }
  const std::map<std::string, std::string>& metadata() const override {
    return metadata_;
  }

 private:
  std::filesystem::path path_ = "header";
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

Plan plan_of(const std::string& rule, int64_t rows) {
  const HeaderOnly model(
      {{.name = "w", .dtype = DType::kBF16, .shape = {rows, 8192}}});
  Recipe recipe;
  recipe.rule = rule;
  recipe.ingredients = {{.path = "a"}, {.path = "b"}, {.path = "c"}};
  if (rule != "linear") recipe.base = 2;
  const std::vector<const Checkpoint*> models(3, &model);
  return make_plan(recipe, models);
}

// "Over 64 GB for a 7B model."
TEST(Complaint,
     Issue20And107And157And420And514And549MemoryDoesNotGrowWithTheModel) {
  for (const char* rule : {"linear", "ties", "model_stock"}) {
    const Plan small = plan_of(rule, 1 << 14);
    const Plan large = plan_of(rule, 1 << 24);  // 256 GB a model
    EXPECT_EQ(small.peak_memory, large.peak_memory) << rule;
    EXPECT_LT(large.peak_memory, int64_t{1} << 30) << rule;
  }
}

// Mistakes used to appear in the middle of a run; a checker was asked for.
TEST_F(Complaints,
       Issue49And208And324And527And688EveryMistakeIsToldBeforeAValueIsRead) {
  write("A", {weight("x", 1), weight("y", 1), weight("only_a", 1)});
  write("B", {weight("x", 1), floats("y", DType::kF32, {1, 2})});
  try {
    const Recipe made = recipe(kMean);
    const auto opened = open_ingredients(made);
    make_plan(made, pointers(opened));
    FAIL() << "nothing thrown";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("'only_a'"));
    EXPECT_THAT(e.what(), ::testing::HasSubstr("'y'"));
  }
}

// arcee_fusion wrote float32 whatever dtype said.
TEST_F(Complaints, Issue604And706TheDtypeIsTheOneThatWasAskedFor) {
  write("A", {weight("x", 1)}, {{"torch_dtype", "float32"}});
  write("B", {weight("x", 2)});
  const CheckpointPtr out =
      mix("merge_method: arcee_fusion\nbase_model: A\ndtype: bfloat16\n"
          "models: [{model: A}, {model: B}]\n");
  EXPECT_EQ(out->tensors()[0].dtype, DType::kBF16);
  EXPECT_EQ(config()["torch_dtype"], "bfloat16");
}

// The result was rounded to dtype before it was written in out_dtype.
TEST_F(Complaints, Issue347OutDtypeIsNotRoundedTwice) {
  write("A", {floats("x", DType::kBF16, {1, 1})});
  write("B", {floats("x", DType::kBF16, {1.0078125, 1})});  // the next one
  const CheckpointPtr out =
      mix(kMean + "dtype: bfloat16\nout_dtype: float32\n");
  EXPECT_EQ(values(*out, "x")[0], 1.00390625);
}

// Tensors that its tables of architectures do not list were dropped.
TEST_F(Complaints, Issue352And437NothingIsDropped) {
  const std::string gate = "model.layers.0.mlp.shared_expert_gate.weight";
  for (const char* name : {"A", "B"}) {
    std::vector<Entry> entries = decoder("model.layers.", 2, 1);
    entries.push_back(weight(gate, 5));
    entries.push_back(weight("never.heard.of", 6));
    write(name, entries);
  }
  const CheckpointPtr out = mix(kMean);
  EXPECT_EQ(values(*out, gate)[0], 5);
  EXPECT_EQ(values(*out, "never.heard.of")[0], 6);
}

TEST_F(Complaints, Issue143LayersAreInTheOrderOfTheirNumbers) {
  write("A", decoder("model.layers.", 12, 0), {{"num_hidden_layers", 12}});
  const CheckpointPtr out =
      mix("merge_method: passthrough\nslices:\n"
          "  - sources: [{model: A, layer_range: [1, 12]}]\n");
  for (int i = 0; i < 11; ++i) {
    EXPECT_EQ(values(*out, "model.layers." + std::to_string(i) +
                               ".mlp.up_proj.weight")[0],
              i + 1);
  }
  EXPECT_EQ(config()["num_hidden_layers"], 11);
}

// Packed weights next to their scales were merged as numbers, or died late.
TEST_F(Complaints, Issue182And276And457And482QuantisedInputsAreRefusedByName) {
  for (const char* name : {"A", "B"}) {
    write(name, {testing::bytes_of("l.weight", DType::kU8, {2},
                                   std::vector<std::byte>(2)),
                 floats("l.weight.absmax", DType::kF32, {1}),
                 floats("l.weight.quant_map", DType::kF32, {1})});
  }
  expect_error<Error>([&] { mix(kMean); }, "which cannot be averaged");
}

// Gemma-2-9B grew to 10.2 B parameters by a head that is the embedding.
TEST_F(Complaints, Issue350And390And447And464And483TiedHeadsStayTied) {
  const json tied = {{"vocab_size", 2}, {"tie_word_embeddings", true}};
  write("A", {weight("model.embed_tokens.weight", 1)}, tied);
  write("B", {weight("model.embed_tokens.weight", 3)}, tied);
  EXPECT_EQ(mix(kMean)->tensors().size(), 1U);
  EXPECT_EQ(config()["tie_word_embeddings"], true);
  // One with a head of its own: written, and the config says so.
  write("B",
        {weight("model.embed_tokens.weight", 3), weight("lm_head.weight", 5)},
        {{"vocab_size", 2}, {"tie_word_embeddings", false}});
  const CheckpointPtr out = mix(kMean);
  EXPECT_EQ(values(*out, "lm_head.weight")[0], 3);
  EXPECT_EQ(config()["tie_word_embeddings"], false);
}

TEST_F(Complaints, Issue275And589GenerationConfigIsKept) {
  write("A", {weight("x", 1)});
  write("B", {weight("x", 1)});
  std::ofstream(folder_ / "A/generation_config.json") << R"({"eos": 7})";
  std::ofstream(folder_ / "A/tokenizer.json")
      << R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})";
  mix(kMean + "tokenizer_source: base\n");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/generation_config.json"));
}

// GPT-Neo, GPTBigCode, Starcoder2, StableLM, GLM4 and others: in no table.
TEST_F(
    Complaints,
    Issue97And145And150And178And188And192And218And409And555And625ArchitecturesNeedNoTable) {
  for (const auto& [prefix, key] :
       {std::pair("transformer.h.", "num_layers"),
        std::pair("transformer.blocks.", "n_layer"),
        std::pair("gpt_neox.layers.", "num_hidden_layers")}) {
    write("A", decoder(prefix, 4, 0), {{key, 4}});
    const CheckpointPtr out =
        mix("merge_method: passthrough\nslices:\n"
            "  - sources: [{model: A, layer_range: [0, 4]}]\n"
            "  - sources: [{model: A, layer_range: [2, 4]}]\n");
    EXPECT_EQ(values(*out, std::string(prefix) + "5.mlp.up_proj.weight")[0], 3);
    EXPECT_EQ(config()[key], 6);
  }
}

// Pruned models have layers without some of the tensors.
TEST_F(Complaints, Issue581LayersMayDiffer) {
  for (const char* name : {"A", "B"}) {
    std::vector<Entry> entries = decoder("model.layers.", 3, 1);
    entries.push_back(weight("model.layers.1.self_attn.q_proj.weight", 4));
    write(name, entries, {{"num_hidden_layers", 3}});
  }
  const CheckpointPtr out =
      mix("merge_method: linear\nparameters: {weight: 1}\nslices:\n"
          "  - sources: [{model: A, layer_range: [1, 3]}, "
          "{model: B, layer_range: [1, 3]}]\n");
  EXPECT_TRUE(out->find("model.layers.0.self_attn.q_proj.weight"));
  EXPECT_FALSE(out->find("model.layers.1.self_attn.q_proj.weight"));
}

// Diffusion models: a state dict without layers or config.
TEST_F(Complaints, Issue433AnyStateDictIsMerged) {
  for (const char* name : {"A", "B"}) {
    write(name, {weight("model.diffusion_model.input_blocks.0.0.weight", 2),
                 weight("first_stage_model.encoder.conv_in.weight", 3)});
    std::filesystem::remove(folder_ / name / "config.json");
  }
  EXPECT_EQ(mix(kMean)->tensors().size(), 2U);
}

TEST_F(
    Complaints,
    Issue6And42And94And154And306And320And542And676OtherSizesAreRefusedByName) {
  write("A", {floats("model.norm.weight", DType::kF32, {1, 1})});
  write("B", {floats("model.norm.weight", DType::kF32, {1, 1, 1})});
  expect_error<Error>([&] { mix(kMean); }, "'model.norm.weight'");
}

// In float16 the sum of 160,000 ones is infinite, and its ratio no number.
TEST_F(Complaints, Issue704RescalingFloat16DoesNotOverflow) {
  constexpr size_t kSide = 400;
  const auto square = [&](double value) {
    return floats("x", DType::kF16, std::vector<double>(kSide * kSide, value),
                  {kSide, kSide});
  };
  write("base", {square(0)});
  write("A", {square(1)});
  write("B", {square(1)});
  const CheckpointPtr out =
      mix("merge_method: ties\nbase_model: base\ndtype: float16\n"
          "parameters: {density: 0.5, rescale: true, weight: 1}\n"
          "models: [{model: A}, {model: B}]\n");
  for (double x : values(*out, "x")) ASSERT_TRUE(x == 0 || x == 2);
}

}  // namespace
}  // namespace soup
