#include "recipe/vocabulary.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "recipe/values.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using nlohmann::json;
using testing::expect_error;

using Rows = std::vector<double>;

// Models with a tokenizer, whose row i of the embedding is [first + i, -first]
// and of the head the negative of that.
class Vocabularies : public ::testing::Test {
 protected:
  void write(const std::string& name, double first,
             const std::vector<std::string>& tokens, int64_t rows = 0,
             const char* type = "BPE") const {
    const std::filesystem::path folder = folder_ / name;
    if (rows == 0) rows = std::ssize(tokens);
    MemoryCheckpoint model(
        folder, {{.name = "model.embed_tokens.weight", .shape = {rows, 2}},
                 {.name = "model.layers.0.mlp.weight", .shape = {2}},
                 {.name = "lm_head.weight", .shape = {rows, 2}},
                 {.name = "lm_head.bias", .shape = {rows}}});
    Rows values;
    for (int64_t i = 0; i < rows; ++i) {
      values.push_back(first + static_cast<double>(i));
      values.push_back(-first);
    }
    const auto put = [&](size_t tensor, const Rows& numbers) {
      const auto bytes = testing::encode(DType::kF32, numbers);
      std::copy(bytes.begin(), bytes.end(),
                model.mutable_bytes(tensor).begin());
    };
    put(0, values);
    for (double& x : values) x = -x;
    put(2, values);
    std::filesystem::create_directories(folder);
    save_checkpoint(model, folder / "model.safetensors", {}, {.force = true});
    json vocab;
    json added = json::array();
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i].starts_with('<')) {
        added.push_back({{"id", i}, {"content", tokens[i]}});
      } else {
        vocab[tokens[i]] = i;
      }
    }
    text(name + "/tokenizer.json",
         {{"added_tokens", added},
          {"model", {{"type", type}, {"vocab", vocab}}}});
    text(name + "/config.json", {{"vocab_size", rows},
                                 {"num_hidden_layers", 1},
                                 {"eos_token_id", first},
                                 {"tie_word_embeddings", false}});
    text(name + "/tokenizer_config.json",
         {{"added_tokens_decoder", json::object()}, {"made_by", name}});
  }

  void text(const std::string& name, const json& content) const {
    std::ofstream(folder_ / name) << content;
  }

  json file(const std::string& name) const {
    std::ifstream in(folder_ / ("out/" + name));
    return json::parse(in);
  }

  // Makes the soup and returns the first column of a tensor of it.
  Rows mix(const std::string& recipe_text,
           const std::string& name = "model.embed_tokens.weight") const {
    const Recipe recipe = parse_recipe(recipe_text, "r.yml", folder_.path());
    const auto opened = open_ingredients(recipe);
    std::vector<const Checkpoint*> ingredients;
    for (const CheckpointPtr& c : opened) ingredients.push_back(c.get());
    make_soup(recipe, ingredients, folder_.path() / "out/", {.force = true});
    EXPECT_TRUE(verify_soup(folder_ / "out").same);
    const CheckpointPtr out = open_checkpoint(folder_ / "out");
    const size_t index = out->find(name).value();
    const auto width = static_cast<size_t>(out->tensors()[index].numel() /
                                           out->tensors()[index].shape[0]);
    const Rows all = testing::decode(DType::kF32, out->read(index).bytes());
    Rows column;
    for (size_t i = 0; i < all.size(); i += width) column.push_back(all[i]);
    return column;
  }

  testing::TempFolder folder_;
};

const std::string kPair = R"(merge_method: linear
models:
  - {model: A, parameters: {weight: 1}}
  - {model: B, parameters: {weight: 1}}
)";

TEST_F(Vocabularies, UnionHasEveryToken) {
  write("A", 10, {"a", "b", "<s>"});
  write("B", 20, {"<im>", "<s>", "b", "a"});
  EXPECT_EQ(mix(kPair + "tokenizer_source: union\n"),
            (Rows{(10 + 23) / 2.0, (11 + 22) / 2.0, (12 + 21) / 2.0, 20}));
  EXPECT_EQ(mix(kPair + "tokenizer_source: union\n", "lm_head.weight"),
            (Rows{-(10 + 23) / 2.0, -(11 + 22) / 2.0, -(12 + 21) / 2.0, -20}));
  EXPECT_EQ(mix(kPair + "tokenizer_source: union\n", "lm_head.bias"),
            Rows(4, 0));
  EXPECT_EQ(file("config.json")["vocab_size"], 4);
  EXPECT_EQ(file("tokenizer.json")["added_tokens"][1],
            (json{{"content", "<im>"}, {"id", 3}}));
  EXPECT_EQ(file("tokenizer_config.json")["added_tokens_decoder"]["3"],
            (json{{"content", "<im>"}}));
}

TEST_F(Vocabularies, BaseAndNamedModelsKeepTheirs) {
  write("A", 10, {"a", "b", "<s>"});
  write("B", 20, {"<im>", "<s>", "b", "a"});
  EXPECT_EQ(mix(kPair + "tokenizer_source: base\n"),
            (Rows{(10 + 23) / 2.0, (11 + 22) / 2.0, (12 + 21) / 2.0}));
  EXPECT_EQ(file("tokenizer_config.json")["made_by"], "A");
  EXPECT_EQ(mix(kPair + "tokenizer_source: model:B\n"),
            (Rows{20, (12 + 21) / 2.0, (11 + 22) / 2.0, (10 + 23) / 2.0}));
  EXPECT_EQ(file("tokenizer_config.json")["made_by"], "B");
  EXPECT_EQ(file("config.json")["eos_token_id"], 20);  // the id in B's
}

TEST_F(Vocabularies, WhatOneModelLacksComesFromTheBaseElseFromAll) {
  write("A", 10, {"a", "<x>"});
  write("B", 20, {"a", "<x>"});
  write("C", 30, {"a"});
  const std::string models = R"(merge_method: linear
models:
  - {model: A, parameters: {weight: 1}}
  - {model: B, parameters: {weight: 1}}
  - {model: C, parameters: {weight: 2}}
tokenizer_source: union
)";
  EXPECT_EQ(mix(models)[1], (11 + 21 + 2 * 16) / 4.0);
  EXPECT_EQ(mix(models + "base_model: B\n")[1], (11 + 21 + 2 * 21) / 4.0);
}

TEST_F(Vocabularies, TokensHaveTheSourceThatIsStated) {
  write("A", 10, {"a", "b", "c"});
  write("B", 20, {"a", "b", "c"});
  EXPECT_EQ(mix(kPair + R"(tokenizer:
  source: base
  tokens:
    a: {source: B, force: true}
    b: {source: A}
    <new>: {source: {kind: model_token, model: B, token: c}}
    <row>: {source: {kind: model_token, model: A, token_id: 1}}
    <zero>: {source: {kind: zero}}
)"),
            (Rows{20, (11 + 21) / 2.0, (12 + 22) / 2.0, 22, 11, 0}));
  EXPECT_EQ(file("tokenizer.json")["added_tokens"].size(), 3U);
}

TEST_F(Vocabularies, PadsWithTheMeanOfAllTokens) {
  write("A", 10, {"a", "b", "c"});
  write("B", 10, {"a", "b", "c"});
  EXPECT_EQ(mix(kPair + "tokenizer: {source: base, pad_to_multiple_of: 4}\n"),
            (Rows{10, 11, 12, 11}));
  EXPECT_EQ(file("config.json")["vocab_size"], 4);
}

// mergekit cuts Qwen2.5's 152064 rows to its 151665 tokens.
TEST_F(Vocabularies, Issue425PaddedVocabulariesStayPadded) {
  write("A", 10, {"a", "b"}, 4);
  write("B", 20, {"b", "a", "<im>"}, 3);
  EXPECT_EQ(mix(kPair + "tokenizer_source: base\n"),
            (Rows{(10 + 21) / 2.0, (11 + 20) / 2.0, 12, 13}));
  write("B", 20, {"a", "b"}, 4);
  EXPECT_EQ(mix(kPair + "tokenizer_source: base\n"), (Rows{15, 16, 17, 18}));
  EXPECT_EQ(file("config.json")["vocab_size"], 4);
}

// A union had no tokenizer.model and nobody knew whether that was a fault: the
// tokenizer is tokenizer.json, and what says the old one is not left beside it.
TEST_F(Vocabularies, Issue185OneTokenizerIsWrittenThatHasEveryToken) {
  write("A", 100, {"a", "b"});
  write("B", 200, {"a", "c"});
  for (const char* name : {"tokenizer.model", "vocab.json", "merges.txt"}) {
    text(std::string("A/") + name, "the old one");
  }
  mix(kPair + "tokenizer_source: union\n");
  EXPECT_EQ(file("tokenizer.json")["model"]["vocab"].size(), 3U);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/tokenizer.model"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/vocab.json"));
  // Where it stays what it was, so do its other forms.
  write("B", 200, {"a", "b"});
  mix(kPair + "tokenizer_source: union\n");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/tokenizer.model"));
}

// What its manual said was not what was done: rows are brought to one
// vocabulary first, then mixed by the recipe's own rule.
TEST_F(Vocabularies, Issue334And663RowsAreAlignedAndThenMixedByTheRule) {
  write("A", 100, {"a", "b"});
  write("B", 200, {"b", "a", "c"});
  const std::string slerp =
      "merge_method: slerp\nbase_model: A\ntokenizer_source: union\n"
      "models: [{model: A}, {model: B}]\nparameters: {t: ";
  EXPECT_EQ(mix(slerp + "0}\n"), (Rows{100, 101, 202}));
  EXPECT_EQ(mix(slerp + "1}\n"), (Rows{201, 200, 202}));
}

// Their ids were past the embedding's rows, and ended in a KeyError.
TEST_F(Vocabularies, Issue342TokensWithoutARowAreLeftOut) {
  write("A", 10, {"a", "b", "<unused>"}, 2);
  write("B", 20, {"a", "b"});
  EXPECT_EQ(mix(kPair + "tokenizer_source: union\n"), (Rows{15, 16}));
  EXPECT_TRUE(file("tokenizer.json")["added_tokens"].empty());
}

// With a tokenizer.model alone, rows were mixed as they lay: gibberish.
TEST_F(Vocabularies, Issue169AModelWithoutTokenizerIsAskedForOne) {
  write("A", 10, {"a", "b"});
  write("B", 20, {"a", "b"});
  std::filesystem::remove(folder_ / "B/tokenizer.json");
  EXPECT_EQ(mix(kPair + "tokenizer_source: union\n"), (Rows{15, 16}));
  write("B", 20, {"a", "b", "c"});
  std::filesystem::remove(folder_ / "B/tokenizer.json");
  expect_error<Error>([&] { mix(kPair + "tokenizer_source: union\n"); },
                      "which row is which token is not known");
  expect_error<Error>([&] { mix(kPair + "tokenizer_source: model:B\n"); },
                      "has no tokenizer.json");
}

// Seven special tokens in one model: the result had the other's height.
TEST_F(Vocabularies, Issue139SpecialTokensOfOneModelStay) {
  write("A", 10, {"a", "b", "<x>", "<y>"});
  write("B", 20, {"a", "b"});
  const std::string slerp =
      "merge_method: slerp\nbase_model: A\ntokenizer_source: base\n"
      "models: [{model: A}, {model: B}]\nparameters: {t: ";
  EXPECT_EQ(mix(slerp + "0}\n"), (Rows{10, 11, 12, 13}));
  EXPECT_EQ(mix(slerp + "1}\n"), (Rows{20, 21, 12, 13}));
}

// "The output of the entire model becomes garbled."
TEST_F(Vocabularies, Issue47OtherVocabulariesAreAlignedForTaskVectorsToo) {
  write("A", 10, {"a", "b", "c", "d"});
  write("B", 20, {"b", "a"});
  EXPECT_EQ(mix("merge_method: dare_ties\nbase_model: A\n"
                "models: [{model: B, parameters: {weight: 1, density: 1}}]\n"
                "tokenizer_source: union\n"),
            (Rows{21, 20, 12, 13}));
}

// Converters found ids beyond the embedding.
TEST_F(Vocabularies, Issue428And469EveryIdHasARow) {
  write("A", 10, {"a", "b", "<x>"}, 5);
  write("B", 20, {"b", "<y>", "a", "c"});
  for (const char* source : {"union", "base", "model:B"}) {
    const auto rows = std::ssize(
        mix(kPair + "tokenizer_source: " + std::string(source) + "\n"));
    EXPECT_EQ(file("config.json")["vocab_size"], rows) << source;
    const json tokenizer = file("tokenizer.json");
    for (const json& id : tokenizer["model"]["vocab"]) EXPECT_LT(id, rows);
    for (const json& added : tokenizer["added_tokens"]) {
      EXPECT_LT(added["id"], rows);
    }
  }
}

// A head of another height than its embedding: its rows are not known, and
// those of another model would be read past its end.
TEST_F(Vocabularies, RefusesAHeadOfAnotherHeight) {
  write("A", 10, {"a", "b"});
  write("B", 20, {"a", "b", "c", "d", "e", "f"});
  MemoryCheckpoint odd(folder_ / "B",
                       {{.name = "model.embed_tokens.weight", .shape = {6, 2}},
                        {.name = "model.layers.0.mlp.weight", .shape = {2}},
                        {.name = "lm_head.weight", .shape = {3, 2}},
                        {.name = "lm_head.bias", .shape = {6}}});
  save_checkpoint(odd, folder_ / "B/model.safetensors", {}, {.force = true});
  expect_error<Error>(
      [&] {
        mix(kPair +
            "tokenizer: {source: base, tokens: {f: {source: B, force: true}}}"
            "\n");
      },
      "'lm_head.weight' has 3 rows, but 'model.embed_tokens.weight' 6");
}

TEST_F(Vocabularies, RefusesWhatCannotBeMergedSafely) {
  write("A", 10, {"a", "b"});
  write("B", 20, {"a", "##c"}, 0, "WordPiece");
  expect_error<Error>([&] { mix(kPair + "tokenizer_source: union\n"); },
                      "cannot take the tokens of B");
  // Nothing of B's is taken.
  EXPECT_EQ(mix(kPair + "tokenizer_source: base\n"), (Rows{15, 11}));
  expect_error<UsageError>(
      [&] {
        mix(kPair +
            "tokenizer: {tokens: {x: {source: {kind: model_token, model: A, "
            "token: y}}}, source: base}\n");
      },
      "'x': its source A has no token 'y'");
  expect_error<Error>(
      [&] {
        mix(kPair +
            "tokenizer: {tokens: {x: {source: {kind: model_token, model: A, "
            "token_id: 2}}}, source: base}\n");
      },
      "has 2 rows, row 2 is wanted");
  text("A/config.json", {{"vocab_size", 1 << 30}, {"num_hidden_layers", 1}});
  expect_error<Error>([&] { mix(kPair + "tokenizer_source: base\n"); },
                      "config.json gives it 1073741824 tokens");
}

}  // namespace
}  // namespace soup
