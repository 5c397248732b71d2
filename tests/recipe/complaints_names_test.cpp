#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "recipe/merge_fixture.h"
#include "soup/error.h"
#include "support/expect_error.h"

/// As complaints_test.cpp: what recipes say, and how tensors are called.
namespace soup {
namespace {

using testing::decoder;
using testing::Entry;
using testing::expect_error;
using testing::floats;
using testing::kMean;
using testing::weight;

class ComplaintsOfNames : public testing::MergeFixture {
 protected:
  void write_decoder(const std::string& name, double value) const {
    std::vector<Entry> entries = decoder("model.layers.", 5, value);
    for (int i = 0; i < 5; ++i) {
      entries.push_back(weight(
          "model.layers." + std::to_string(i) + ".self_attn.q_proj.weight",
          value));
    }
    write(name, entries, {{"num_hidden_layers", 5}});
  }
};

// "What is t?" Every tensor says the numbers it is made with (--explain).
TEST_F(ComplaintsOfNames, Issue70And378TheTOfEveryTensorIsKnown) {
  write_decoder("A", 1);
  write_decoder("B", 2);
  const Plan made = plan(R"(slices:
  - sources:
      - {model: A, layer_range: [0, 5]}
      - {model: B, layer_range: [0, 5]}
merge_method: slerp
base_model: A
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 0.3, 0.7, 1]}
    - {filter: mlp, value: [1, 0.5, 0.7, 0.3, 0]}
    - value: 0.5
)");
  const auto t = [&](const std::string& name) {
    return tensor(made, name).settings.at("t");
  };
  EXPECT_EQ(t("model.layers.0.self_attn.q_proj.weight"), 0);
  EXPECT_EQ(t("model.layers.2.self_attn.q_proj.weight"), 0.3);
  EXPECT_EQ(t("model.layers.3.mlp.up_proj.weight"), 0.3);
  EXPECT_EQ(t("model.norm.weight"), 0.5);
}

// "What do the lists of the TIES example stand for?"
TEST_F(ComplaintsOfNames,
       Issue5And23And327And336And373WeightsAndDensitiesAreKnown) {
  for (const char* name : {"base", "A", "B", "C"}) write_decoder(name, 1);
  const Plan made = plan(R"(models:
  - {model: A, parameters: {density: [1, 0.7, 0.1], weight: 1.0}}
  - {model: B, parameters: {density: 0.5, weight: [0, 0.3, 0.7, 1]}}
  - model: C
    parameters:
      density: 0.33
      weight: [{filter: mlp, value: 0.5}, {value: 0}]
merge_method: ties
base_model: base
)");
  const auto& mlp = tensor(made, "model.layers.1.mlp.up_proj.weight").sources;
  EXPECT_DOUBLE_EQ(mlp[0].settings.at("density"), 0.85);
  EXPECT_DOUBLE_EQ(mlp[1].weight, 0.225);
  EXPECT_EQ(mlp[2].weight, 0.5);
  const auto& head =
      tensor(made, "model.layers.4.self_attn.q_proj.weight").sources;
  EXPECT_EQ(head[0].settings.at("density"), 0.1);
  EXPECT_EQ(head[1].weight, 1);
  EXPECT_EQ(head[2].weight, 0);
}

// "Missing required parameter weight": of the base, which has none.
TEST_F(ComplaintsOfNames, Issue611TheBaseModelNeedsNoWeight) {
  write_decoder("A", 1);
  write_decoder("B", 2);
  const std::string models =
      "base_model: A\nmodels:\n  - {model: A}\n"
      "  - {model: B, parameters: {weight: 1, density: 1}}\n";
  EXPECT_EQ(values(*mix("merge_method: ties\n" + models), "model.norm.weight"),
            (std::vector<double>{2, 2}));
  EXPECT_NO_THROW(mix("merge_method: slerp\nparameters: {t: 0.5}\n" + models));
}

// A tensor that only a table of architectures had was required; and a dtype
// that is none was found late.
TEST_F(ComplaintsOfNames, Issue398OnlyWhatIsThereIsWanted) {
  write_decoder("A", 1);
  const std::string stack =
      "merge_method: passthrough\nslices:\n"
      "- sources: [{model: A, layer_range: [0, 3]}]\n"
      "- sources: [{model: A, layer_range: [2, 5]}]\n";
  EXPECT_FALSE(mix(stack)->find("model.layers.5.self_attn.k_norm.weight"));
  expect_error<UsageError>([&] { mix("dtype: bfloat\n" + stack); },
                           "r.yml:1: dtype: unknown dtype 'bfloat', did you "
                           "mean 'bfloat16'?");
}

// Models of one architecture under two namings: told with a tensor's name,
// before anything is read.
TEST_F(ComplaintsOfNames, Issue239And284And446And593OtherNamesAreToldAtOnce) {
  write("A", {weight("encoder.layer.0.output.weight", 1)});
  write("B", {weight("bert.encoder.layer.0.output.weight", 1)});
  expect_error<Error>([&] { mix(kMean); },
                      "lacks tensors that other sources have: "
                      "'bert.encoder.layer.0.output.weight'");
}

// Layers that are used twice share their memory, which was refused at the end.
TEST_F(ComplaintsOfNames, Issue85And109RepeatedLayersAreWrittenEach) {
  write_decoder("A", 1);
  const CheckpointPtr out =
      mix("merge_method: passthrough\nslices:\n"
          "- sources: [{model: A, layer_range: [0, 5]}]\n"
          "- sources: [{model: A, layer_range: [0, 5]}]\n");
  EXPECT_EQ(out->tensors().size(), 2U * 10 + 2);
  EXPECT_EQ(values(*out, "model.layers.9.mlp.up_proj.weight"),
            values(*out, "model.layers.4.mlp.up_proj.weight"));
}

// "It will load whole shards": pickles are mapped like anything else.
TEST_F(ComplaintsOfNames, Issue13PicklesAreMapped) {
  write_decoder("A", 1);
  write_decoder("B", 3);
  save_checkpoint(*open_checkpoint(folder_ / "B"),
                  folder_ / "B/pytorch_model.bin");
  std::filesystem::remove(folder_ / "B/model.safetensors");
  const Recipe made = recipe(kMean);
  const auto opened = open_ingredients(made);
  EXPECT_EQ(opened[1]->format(), "torch");
  EXPECT_TRUE(opened[1]->read(0).mapped());
  EXPECT_EQ(values(*mix(kMean), "model.norm.weight")[0], 2);
}

// Experts are numbered within layers: those numbers are none of layers.
TEST_F(ComplaintsOfNames, Issue445And687NumbersOfExpertsAreNotThoseOfLayers) {
  std::vector<Entry> entries = {weight("model.embed_tokens.weight", 9)};
  for (int layer = 0; layer < 3; ++layer) {
    const std::string mlp = "model.layers." + std::to_string(layer) + ".mlp.";
    if (layer == 0) entries.push_back(weight(mlp + "up_proj.weight", 7));
    for (int expert = 0; layer > 0 && expert < 4; ++expert) {
      entries.push_back(
          weight(mlp + "experts." + std::to_string(expert) + ".up_proj.weight",
                 10 * layer + expert));
    }
  }
  write("A", entries, {{"num_hidden_layers", 3}, {"n_routed_experts", 4}});
  const CheckpointPtr out =
      mix("merge_method: passthrough\nslices:\n"
          "- sources: [{model: A, layer_range: [0, 2]}]\n"
          "- sources: [{model: A, layer_range: [1, 3]}]\n");
  EXPECT_EQ(values(*out, "model.layers.0.mlp.up_proj.weight")[0], 7);
  EXPECT_EQ(values(*out, "model.layers.3.mlp.experts.2.up_proj.weight")[0], 22);
  EXPECT_EQ(out->tensors().size(), 1U + 1 + 3 * 4);
}

// Layers of several kinds, which config.json lists.
TEST_F(ComplaintsOfNames, Issue672LayersKeepTheirKinds) {
  const auto layer = [](int i, const char* kind) {
    return weight("model.layers." + std::to_string(i) + "." + kind + ".weight",
                  i);
  };
  write("A", {layer(0, "linear_attn"), layer(1, "self_attn")},
        {{"num_hidden_layers", 2}, {"layer_types", {"linear", "full"}}});
  const CheckpointPtr out =
      mix("merge_method: passthrough\nslices:\n"
          "- sources: [{model: A, layer_range: [1, 2]}]\n"
          "- sources: [{model: A, layer_range: [0, 2]}]\n");
  EXPECT_TRUE(out->find("model.layers.0.self_attn.weight"));
  EXPECT_TRUE(out->find("model.layers.1.linear_attn.weight"));
  EXPECT_EQ(config()["layer_types"],
            (nlohmann::json{"full", "linear", "full"}));
}

// float16 and bfloat16 hold different numbers: their mean holds both.
TEST_F(ComplaintsOfNames, Issue316HalfTypesAreMixedWithoutLoss) {
  write("A", {floats("x", DType::kF16, {1.0009765625, 1})});
  write("B", {floats("x", DType::kBF16, {1e30, 3})});
  const CheckpointPtr out = mix(kMean);
  EXPECT_EQ(out->tensors()[0].dtype, DType::kF32);
  EXPECT_EQ(values(*out, "x")[1], 2);
  write("B", {floats("x", DType::kBF16, {1, 3})});
  EXPECT_EQ(values(*mix(kMean), "x")[0], 1.00048828125);
}

TEST_F(ComplaintsOfNames, Issue75And494GgufIsRefusedByName) {
  std::ofstream(folder_ / "A.gguf")
      << std::string("GGUF\3\0\0\0", 8) << std::string(100, 'x');
  expect_error<Error>(
      [&] { mix("merge_method: linear\nmodels: [{model: A.gguf}]\n"); },
      "GGUF");
}

// Embeddings that encoder and decoder share lie in neither.
TEST_F(ComplaintsOfNames, Issue348And556SharedEmbeddingsOfT5Stay) {
  for (const auto& [name, value] : {std::pair("A", 1), std::pair("B", 3)}) {
    std::vector<Entry> entries = {weight("shared.weight", value)};
    for (const char* side : {"encoder", "decoder"}) {
      for (int i = 0; i < 2; ++i) {
        entries.push_back(weight(std::string(side) + ".block." +
                                     std::to_string(i) + ".layer.0.weight",
                                 value));
      }
    }
    write(name, entries, {{"num_layers", 2}, {"num_decoder_layers", 2}});
  }
  const CheckpointPtr out =
      mix("merge_method: linear\nparameters: {weight: 1}\nmodules:\n"
          "  encoder: {models: [{model: A}, {model: B}]}\n"
          "  decoder: {models: [{model: A}, {model: B}]}\n");
  EXPECT_EQ(values(*out, "decoder.block.1.layer.0.weight")[0], 2);
  EXPECT_EQ(values(*out, "shared.weight")[0], 1);
}

// Fisher's diagonals, asked for and never delivered.
TEST_F(ComplaintsOfNames, Issue168FisherDiagonalsAreWeights) {
  write("A", {floats("x", DType::kF32, {1, 1})});
  write("B", {floats("x", DType::kF32, {3, 3})});
  write("FA", {floats("x", DType::kF32, {3, 1})});
  write("FB", {floats("x", DType::kF32, {1, 1})});
  EXPECT_EQ(values(*mix("merge_method: fisher\nmodels: [{model: A}, "
                        "{model: B}, {model: FA}, {model: FB}]\n"),
                   "x"),
            (std::vector<double>{1.5, 2}));
}

// Anchors, `<<` and keys that only hold them, as people write long stacks.
TEST_F(ComplaintsOfNames, Issue198StacksAreWrittenWithAnchors) {
  write_decoder("A", 1);
  const CheckpointPtr out = mix(R"(const_tag: &MODEL A
const_tag: &SCALED
  parameters: {scale: [{filter: q_proj, value: 0.5}, {value: 1.0}]}
merge_method: passthrough
slices:
  - sources:
    - model: *MODEL
      layer_range: [0, 2]
      <<: *SCALED
  - sources:
    - model: *MODEL
      layer_range: [1, 5]
)");
  EXPECT_EQ(values(*out, "model.layers.1.self_attn.q_proj.weight")[0], 0.5);
  EXPECT_EQ(values(*out, "model.layers.2.self_attn.q_proj.weight")[0], 1);
}

}  // namespace
}  // namespace soup
