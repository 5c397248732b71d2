#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "recipe/values.h"
#include "soup/recipe.h"
#include "support/temp_folder.h"

/// Merges that people published, on models of their structure.
namespace soup {
namespace {

using nlohmann::json;

// abacusai/TheProfessor-155b
const char* const kProfessor =
    R"(merge_method: linear # use linear so we can include multiple models, albeit at a zero weight
parameters:
  weight: 1.0 # weight everything as 1 unless specified otherwise
slices:
  - sources:
      - model: cognitivecomputations/dolphin-2.2-70b # embed_tokens comes along with the ride
        layer_range: [0, 1]
      - model: migtissera/SynthIA-70B-v1.2b # add another model with 0 weight
        layer_range: [0, 1]
        parameters:
          weight: 0 # set the weight to 0, it only chooses the tokenizer's route
  - sources:
      - model: cognitivecomputations/dolphin-2.2-70b
        layer_range: [1, 20]
  - sources:
      - model: migtissera/SynthIA-70B-v1.2b
        layer_range: [10, 30]
  - sources:
      - model: WizardLM/WizardMath-70B-V1.0
        layer_range: [20, 40]
  - sources:
      - model: epfl-llm/meditron-70b
        layer_range: [25, 45]
  - sources:
      - model: cognitivecomputations/dolphin-2.2-70b
        layer_range: [30, 50]
  - sources:
      - model: migtissera/SynthIA-70B-v1.2b
        layer_range: [40, 60]
  - sources:
      - model: WizardLM/WizardMath-70B-V1.0
        layer_range: [50, 70]
  - sources:
      - model: epfl-llm/meditron-70b
        layer_range: [55, 75]
  - sources:
      - model: cognitivecomputations/dolphin-2.2-70b
        layer_range: [60, 79]
  - sources:
      - model: cognitivecomputations/dolphin-2.2-70b
        layer_range: [79, 80]
      - model: migtissera/SynthIA-70B-v1.2b
        layer_range: [79, 80]
        parameters:
          weight: 0
dtype: float16
tokenizer_source: model:cognitivecomputations/dolphin-2.2-70b # keep exact tokenizer used by dolphin
)";

constexpr int kLayers = 80;

// Layer l of model m holds 100 m + l, row r of its embedding 1000 + 100 m + r.
void write_model(const std::filesystem::path& folder, int m,
                 const std::vector<std::string>& tokens) {
  using testing::floats;
  std::vector<testing::Entry> entries;
  std::vector<double> rows;
  for (size_t r = 0; r < tokens.size(); ++r) {
    rows.push_back(1000 + 100 * m + static_cast<double>(r));
  }
  const std::vector<int64_t> shape = {std::ssize(tokens), 1};
  entries.push_back(
      floats("model.embed_tokens.weight", DType::kF16, rows, shape));
  entries.push_back(floats("lm_head.weight", DType::kF16, rows, shape));
  entries.push_back(
      floats("model.norm.weight", DType::kBF16, {static_cast<double>(m)}));
  for (int l = 0; l < kLayers; ++l) {
    entries.push_back(
        floats("model.layers." + std::to_string(l) + ".mlp.up_proj.weight",
               DType::kF16, {100.0 * m + l}));
  }
  std::filesystem::create_directories(folder);
  save_checkpoint(*testing::checkpoint(folder.filename().string(), entries),
                  folder / "model.safetensors");
  json vocab;
  for (size_t r = 0; r < tokens.size(); ++r) vocab[tokens[r]] = r;
  std::ofstream(folder / "tokenizer.json")
      << json{{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {}}}}};
  std::ofstream(folder / "config.json") << json{{"num_hidden_layers", kLayers},
                                                {"vocab_size", tokens.size()},
                                                {"tie_word_embeddings", false}};
}

std::vector<double> values(const Checkpoint& file, const std::string& name) {
  const size_t i = file.find(name).value();
  return testing::decode(file.tensors()[i].dtype, file.read(i).bytes());
}

TEST(PublishedMerges, TheProfessor) {
  const testing::TempFolder folder;
  const std::vector<std::string> plain = {"a", "b"};
  write_model(folder / "cognitivecomputations/dolphin-2.2-70b", 0,
              {"a", "b", "<|im_end|>"});
  write_model(folder / "migtissera/SynthIA-70B-v1.2b", 1, plain);
  write_model(folder / "WizardLM/WizardMath-70B-V1.0", 2, plain);
  write_model(folder / "epfl-llm/meditron-70b", 3, plain);
  const Recipe recipe = parse_recipe(kProfessor, "r.yml", folder.path());
  const auto opened = open_ingredients(recipe);
  std::vector<const Checkpoint*> ingredients;
  for (const CheckpointPtr& c : opened) ingredients.push_back(c.get());
  make_soup(recipe, ingredients, folder.path() / "out/", {});

  const CheckpointPtr out = open_checkpoint(folder / "out");
  std::vector<double> layers;
  for (int l = 0; l < 180; ++l) {
    layers.push_back(values(
        *out, "model.layers." + std::to_string(l) + ".mlp.up_proj.weight")[0]);
  }
  std::vector<double> wanted;
  const auto take = [&](int model, int begin, int end) {
    for (int l = begin; l < end; ++l) wanted.push_back(100.0 * model + l);
  };
  take(0, 0, 20);
  take(1, 10, 30);
  take(2, 20, 40);
  take(3, 25, 45);
  take(0, 30, 50);
  take(1, 40, 60);
  take(2, 50, 70);
  take(3, 55, 75);
  take(0, 60, 80);
  EXPECT_EQ(layers, wanted);
  EXPECT_EQ(out->tensors().size(), 183U);
  EXPECT_EQ(values(*out, "model.embed_tokens.weight"),
            (std::vector<double>{1000, 1001, 1002}));
  EXPECT_EQ(values(*out, "model.norm.weight"), std::vector<double>{0});
  for (const TensorInfo& tensor : out->tensors()) {
    EXPECT_EQ(tensor.dtype, DType::kF16);
  }
  std::ifstream file(folder / "out/config.json");
  const json config = json::parse(file);
  EXPECT_EQ(config["num_hidden_layers"], 180);
  EXPECT_EQ(config["vocab_size"], 3);
  EXPECT_TRUE(verify_soup(folder / "out").same);
}

}  // namespace
}  // namespace soup
