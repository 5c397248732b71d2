#include "recipe/merge_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "recipe/merge_read.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

MergeConfig read(const std::string& text) {
  Complaints complaints("r.yml");
  const auto documents = parse_yaml(text, "r.yml");
  MergeConfig config = read_merge_config(documents.at(0), complaints);
  complaints.check();
  return config;
}

Parameter parameter(const std::string& text) {
  Complaints complaints("p");
  Parameter read =
      read_parameter(parse_yaml(text, "p").at(0), "weight", false, complaints);
  complaints.check();
  return read;
}

TEST(Parameter, InterpolatesAGradient) {
  const Parameter gradient = parameter("[0, 0.3, 0.7, 1]");
  const std::vector<double> expected = {0, 0.18, 0.38, 0.62, 0.82, 1};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(*gradient.value("x", static_cast<double>(i) / 5), expected[i],
                1e-12);
  }
  EXPECT_EQ(parameter("[0.5]").value("x", 0.7), 0.5);
  EXPECT_EQ(parameter("[true, false]").value("x", 0.9), 1);
}

TEST(Parameter, TakesTheFirstFilterThatMatches) {
  const Parameter filters = parameter(
      "[{filter: mlp, value: 0.5}, {filter: attn, value: [0, 1]}, {value: 2}]");
  EXPECT_EQ(filters.value("a.mlp.w", 0), 0.5);
  EXPECT_EQ(filters.value("a.attn.w", 0.25), 0.25);
  EXPECT_EQ(filters.value("norm", 0), 2);
  EXPECT_EQ(parameter("[{filter: mlp, value: 1}]").value("norm", 0),
            std::nullopt);
  EXPECT_EQ(parameter("{filter: '*', value: 3}").value("norm", 0), 3);
}

TEST(Parameter, ReadsNumbersAsUsersWriteThem) {
  EXPECT_EQ(parameter("1e-1").value("x", 0), 0.1);
  EXPECT_EQ(parameter("'0.5'").value("x", 0), 0.5);
  EXPECT_EQ(parameter("+2").value("x", 0), 2);
  EXPECT_EQ(parameter("yes").value("x", 0), 1);
  EXPECT_EQ(parameter("OFF").value("x", 0), 0);
  expect_error<UsageError>([] { parameter("abc"); }, "must be a number");
  expect_error<UsageError>([] { parameter(".nan"); }, "finite");
  expect_error<UsageError>([] { parameter("[1, {value: 2}]"); }, "mixes");
}

TEST(MergeConfig, NamesEveryMistakeWithItsLine) {
  try {
    read(R"(models:
  - model: A
    paramters:
      weight: 1
  - model: B
    parameters:
      wieght: 0.5
merge_method: liner
dtype: float15
base_modle: A
)");
    FAIL() << "nothing thrown";
  } catch (const UsageError& e) {
    const std::string what = e.what();
    for (const char* part :
         {"r.yml:4: models: unknown key 'paramters', did you mean "
          "'parameters'?",
          "r.yml:7: unknown parameter 'wieght', did you mean 'weight'?",
          "r.yml:8: unknown merge_method 'liner', did you mean 'linear'?",
          "r.yml:9: dtype: unknown dtype 'float15'",
          "r.yml:10: unknown key 'base_modle', did you mean 'base_model'?"}) {
      EXPECT_NE(what.find(part), std::string::npos) << part << "\n" << what;
    }
  }
}

TEST(MergeConfig, RefusesImpossibleRanges) {
  const auto range = [](const std::string& text) {
    return "merge_method: linear\nslices:\n  - sources: [{model: A, "
           "layer_range: " +
           text + "}]\n";
  };
  EXPECT_EQ(read(range("[0, 4]")).modules[0].slices[0].sources[0].layers,
            (LayerRange{0, 4}));
  for (const char* bad : {"[1, 1]", "[2, 1]", "[-1, 3]"}) {
    expect_error<UsageError>([&] { read(range(bad)); }, "holds no layer");
  }
  expect_error<UsageError>([&] { read(range("[0, 1.5]")); }, "whole numbers");
  expect_error<UsageError>([&] { read(range("4")); }, "whole numbers");
  expect_error<UsageError>(
      [] {
        read(
            "merge_method: linear\nslices:\n  - sources:\n    - {model: A, "
            "layer_range: [0, 2]}\n    - {model: B, layer_range: [0, 3]}\n");
      },
      "r.yml:5: all sources of a slice must have the same number");
}

TEST(MergeConfig, WantsOneOfModelsSlicesAndModules) {
  expect_error<UsageError>([] { read("merge_method: linear\n"); }, "one of");
  expect_error<UsageError>(
      [] {
        read(
            "merge_method: linear\nmodels: [{model: A}]\nslices: [{sources: "
            "[{model: A}]}]\n");
      },
      "only one of");
  expect_error<UsageError>(
      [] { read("merge_method: linear\nmodels: [{model: A}, {model: A/}]\n"); },
      "the same model twice");
}

TEST(MergeConfig, WantsAModelEverywhere) {
  const auto with = [](const std::string& text) {
    return "merge_method: linear\n" + text + "\n";
  };
  expect_error<UsageError>([&] { read(with("modules: {}")); },
                           "r.yml:2: 'modules' names none");
  expect_error<UsageError>([&] { read(with("slices: [{sources: []}]")); },
                           "r.yml:2: 'sources' names no model");
  expect_error<UsageError>([&] { read(with("models: [{model: ~}]")); },
                           "r.yml:2: 'model' is missing");
  expect_error<UsageError>(
      [&] {
        read(
            with("models: [{model: A}]\ntokenizer: {tokens: {x: {source: A, "
                 "force: perhaps}}}"));
      },
      "r.yml:3: 'force' must be true or false, not 'perhaps'");
}

TEST(MergeConfig, KnowsChatTemplates) {
  const auto with = [](const std::string& chat) {
    return read("merge_method: linear\nmodels: [{model: A}]\nchat_template: " +
                chat + "\n");
  };
  for (const char* name :
       {"auto", "alpaca", "chatml", "exaone", "llama3", "mistral"}) {
    EXPECT_EQ(with(name).chat_template, name);
  }
  EXPECT_NO_THROW(with("'{{ messages[0].content }}'"));
  expect_error<UsageError>([&] { with("lama3"); },
                           "r.yml:3: unknown chat_template 'lama3'");
}

// What other recipes define to repeat it.
TEST(MergeConfig, TakesAnchorsUnderAnyName) {
  const MergeConfig config = read(R"(const_tag: &MODEL A
const_tag: &PARTS
  parameters: {weight: 0.5}
merge_method: linear
models:
  - model: *MODEL
    <<: *PARTS
)");
  EXPECT_EQ(config.models.at(0).model, "A");
  EXPECT_EQ(
      config.modules[0].slices[0].sources[0].parameters.at("weight").value("x",
                                                                           0),
      0.5);
  expect_error<UsageError>(
      [] { read("merge_method: &a linear\nmerge_method: &b ties\n"); },
      "r.yml:2: 'merge_method' is given twice");
}

TEST(MergeConfig, ReadsReferences) {
  const MergeConfig config = read(R"(merge_method: linear
models:
  - model: org/name@v1+adapters/x@v2
  - model: {model: plain, lora: other}
base_model: plain+other
parameters: # nothing but a comment
)");
  ASSERT_EQ(config.models.size(), 2U);
  EXPECT_EQ(config.models[0],
            (ModelName{"org/name", "v1", "adapters/x", "v2"}));
  EXPECT_EQ(config.base, 1U);
  expect_error<UsageError>(
      [] { read("merge_method: linear\nmodels: [{model: a@b@c}]\n"); },
      "is no model");
}

TEST(MergeConfig, ReadsTokenizerRules) {
  const auto tokenizer = [](const std::string& text) {
    return read("merge_method: linear\nmodels: [{model: A}, {model: B}]\n" +
                text)
        .tokenizer.value();
  };
  EXPECT_EQ(tokenizer("tokenizer_source: union").source,
            TokenizerRule::Source::kUnion);
  EXPECT_EQ(tokenizer("tokenizer_source: base").source,
            TokenizerRule::Source::kBase);
  EXPECT_EQ(tokenizer("tokenizer_source: model:B").model, 1U);
  const TokenizerRule rule = tokenizer(R"(tokenizer:
  source: B
  pad_to_multiple_of: 16
  tokens:
    <a>: {source: A, force: true}
    <b>: {source: {kind: zero}}
    <c>: {source: {kind: model_token, model: A, token_id: 3}}
)");
  EXPECT_EQ(rule.multiple, 16);
  ASSERT_EQ(rule.tokens.size(), 3U);
  EXPECT_TRUE(rule.tokens[0].second.force);
  EXPECT_EQ(rule.tokens[1].second.kind, TokenSource::Kind::kZero);
  EXPECT_EQ(rule.tokens[2].second.id, 3);
  expect_error<UsageError>(
      [&] { tokenizer("tokenizer: {tokens: {x: {source: {kind: cat}}}}"); },
      "'kind' must be");
  expect_error<UsageError>(
      [&] { tokenizer("tokenizer: {}\ntokenizer_source: base"); },
      "only one of");
}

TEST(MergeConfig, StrictFormReadsBackAsItWasWritten) {
  const MergeConfig config = read(R"(merge_method: linear
slices:
  - sources:
      - {model: A, layer_range: [0, 2], parameters: {weight: [0, 1]}}
      - {model: B, layer_range: [1, 3]}
    parameters: {weight: [{filter: mlp, value: 0.5}, {value: 1}]}
base_model: B
tokenizer: {source: union, pad_to_multiple_of: 8}
chat_template: auto
)");
  const nlohmann::ordered_json json = merge_json(config);
  Complaints complaints("j");
  const MergeConfig again =
      read_merge_config(node_of_json(json), complaints, 2);
  complaints.check();
  EXPECT_EQ(merge_json(again), json);
  nlohmann::ordered_json named = json;
  named["base_model"] = "B";
  read_merge_config(node_of_json(named), complaints, 2);
  expect_error<UsageError>([&] { complaints.check(); }, "index");
}

}  // namespace
}  // namespace soup
