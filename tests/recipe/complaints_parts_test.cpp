#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "recipe/adapters.h"
#include "recipe/merge_fixture.h"
#include "soup/error.h"
#include "support/expect_error.h"

/// As complaints_test.cpp: of models that are made of parts, adapters and
/// models of pictures and text.
namespace soup {
namespace {

using nlohmann::json;
using testing::Entry;
using testing::expect_error;
using testing::floats;
using testing::weight;

class ComplaintsOfParts : public testing::MergeFixture {
 protected:
  // Adds `value` to layer 0's weight of a base of zeros.
  void write_adapter(const std::string& name, float value) const {
    const std::string layer = "base_model.model.model.layers.0.mlp.up_proj.";
    testing::write_adapter(folder_ / name,
                           R"({"peft_type":"LORA","r":1,"lora_alpha":1})",
                           {{layer + "lora_A.weight", {1, 2}, {value, value}},
                            {layer + "lora_B.weight", {2, 1}, {1, 1}}});
  }
  void write_base() const {
    write("base", {weight("model.embed_tokens.weight", 7),
                   weight("model.layers.0.mlp.up_proj.weight", 0)});
  }
  // A tower of pictures, a language model and what lies between them.
  void write_vlm(const std::string& name, double value) const {
    std::vector<Entry> entries = {
        weight("language_model.model.embed_tokens.weight", value),
        weight("language_model.lm_head.weight", value),
        weight("multi_modal_projector.linear.weight", value)};
    for (int i = 0; i < 3; ++i) {
      const std::string at = std::to_string(i) + ".fc.weight";
      entries.push_back(weight("language_model.model.layers." + at, value + i));
      if (i < 2) {
        entries.push_back(
            weight("vision_tower.encoder.layers." + at, 10 * value + i));
      }
    }
    write(name, entries,
          {{"text_config", {{"num_hidden_layers", 3}}},
           {"vision_config", {{"num_hidden_layers", 2}}}});
  }
};

// Adapters among themselves ended in "object of type 'NoneType' has no len()".
TEST_F(ComplaintsOfParts,
       Issue470And521AdaptersAloneAreSentToTheCommandForThem) {
  write_base();
  write_adapter("one", 1);
  write_adapter("two", 2);
  expect_error<Error>(
      [&] {
        mix("merge_method: linear\nparameters: {weight: 1}\n"
            "models: [{model: one}, {model: two}]\n");
      },
      "average the folders of adapters with soup uniform");
  // As it was written there: layer_range [0, -1], a weight beside it.
  expect_error<Error>(
      [&] {
        recipe(
            "merge_method: linear\nslices:\n"
            "- sources: [{model: one, layer_range: [0, -1], weight: 1}]\n");
      },
      "unknown key 'weight'");
  Recipe both;
  both.ingredients = {{.path = folder_ / "one"}, {.path = folder_ / "two"}};
  ASSERT_TRUE(gather_adapters(both, folder_ / "base"));
  const auto opened = open_ingredients(both);
  EXPECT_EQ(values(*opened[0], "model.layers.0.mlp.up_proj.weight")[0], 1.5);
}

// base+adapter was written to disk as a whole model before it was merged.
TEST_F(ComplaintsOfParts,
       Issue328And333And500AnAdapterIsMergedAsItsModelIsRead) {
  write_base();
  write_adapter("one", 1);
  write_adapter("two", 4);
  const auto files = [&] {
    std::set<std::filesystem::path> all;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(folder_.path())) {
      all.insert(entry.path());
    }
    return all;
  };
  const auto before = files();
  const Recipe made = recipe(
      "merge_method: linear\nparameters: {weight: 1}\n"
      "models: [{model: base+one}, {model: base+two}]\n");
  const auto opened = open_ingredients(made);
  const Plan plan = make_plan(made, pointers(opened));
  EXPECT_EQ(values(*opened[1], "model.layers.0.mlp.up_proj.weight")[0], 4);
  EXPECT_EQ(files(), before);
  EXPECT_EQ(plan.bytes_read, 2 * 2 * 16);  // of two tensors, once a model
  // What the adapter does not change is the file's, not a copy.
  const size_t index = *opened[1]->find("model.embed_tokens.weight");
  EXPECT_TRUE(opened[1]->read(index).mapped());
}

// Several towers of layers were in no table of architectures.
TEST_F(ComplaintsOfParts,
       Issue219And439And576And607ModulesOfAModelArePlannedApart) {
  write_vlm("A", 1);
  write_vlm("B", 3);
  const CheckpointPtr out =
      mix("merge_method: linear\nparameters: {weight: 1}\nmodules:\n"
          "  language_model: {models: [{model: A}, {model: B}]}\n"
          "  vision_tower: {models: [{model: B}]}\n");
  EXPECT_EQ(values(*out, "language_model.model.layers.2.fc.weight")[0], 4);
  EXPECT_EQ(values(*out, "vision_tower.encoder.layers.1.fc.weight")[0], 31);
  // Of no module: the first model's.
  EXPECT_EQ(values(*out, "multi_modal_projector.linear.weight")[0], 1);
}

TEST_F(ComplaintsOfParts, Issue434LayersOfOneModuleAreStacked) {
  write_vlm("A", 1);
  write_vlm("B", 3);
  const CheckpointPtr out =
      mix("merge_method: passthrough\nmodules:\n"
          "  language_model:\n    slices:\n"
          "    - sources: [{model: A, layer_range: [0, 2]}]\n"
          "    - sources: [{model: B, layer_range: [1, 3]}]\n"
          "  vision_tower: {models: [{model: A}]}\n");
  EXPECT_EQ(values(*out, "language_model.model.layers.3.fc.weight")[0], 5);
  EXPECT_FALSE(out->find("language_model.model.layers.4.fc.weight"));
  EXPECT_EQ(config()["text_config"]["num_hidden_layers"], 4);
  EXPECT_EQ(config()["vision_config"]["num_hidden_layers"], 2);
}

// A name that its tables have and the tensors do not would be left out.
TEST_F(ComplaintsOfParts, Issue659AModuleOfNoTensorsIsAMistake) {
  write_vlm("A", 1);
  write_vlm("B", 3);
  expect_error<Error>(
      [&] {
        mix("merge_method: linear\nparameters: {weight: 1}\nmodules:\n"
            "  text_decoder: {models: [{model: A}, {model: B}]}\n"
            "  vision_towr: {models: [{model: A}, {model: B}]}\n");
      },
      "has no module 'text_decoder'; there is: encoder, language_model, "
      "linear, lm_head, model, multi_modal_projector, vision_tower\n  r.yml:5");
}

}  // namespace
}  // namespace soup
