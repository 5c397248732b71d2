#include "recipe/tokenizer.h"

#include <gtest/gtest.h>

#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using nlohmann::json;
using testing::expect_error;

// A tokenizer of `model` with ordinary tokens and added ones.
Tokenizer tokenizer(const std::string& model, const json& vocab,
                    const json& added = json::object(),
                    const json& more = json::object()) {
  json file = {{"version", "1.0"},
               {"added_tokens", json::array()},
               {"model", {{"type", model}, {"vocab", vocab}}}};
  file["model"].update(more);
  for (const auto& [token, id] : added.items()) {
    file["added_tokens"].push_back(
        {{"id", id}, {"content", token}, {"special", true}});
  }
  return Tokenizer(file.dump(), "t");
}

// Unigram's list of tokens and scores.
json scores(const std::vector<std::pair<std::string, double>>& list) {
  json made = json::array();
  for (const auto& [token, score] : list) {
    made.push_back(json::array({token, score}));
  }
  return made;
}

TEST(Tokenizer, NumbersOrdinaryAndAddedTokens) {
  const Tokenizer t = tokenizer("BPE", {{"a", 0}, {"b", 1}}, {{"<s>", 2}});
  EXPECT_EQ(t.ids(), (TokenIds{{"a", 0}, {"b", 1}, {"<s>", 2}}));
  EXPECT_EQ(t.size(), 3);
}

TEST(Tokenizer, WritesWhatItReads) {
  const Tokenizer t =
      tokenizer("Unigram", scores({{"<unk>", 0}, {"z", -1.5}, {"a", -2}}),
                {{"<pad>", 3}}, {{"unk_id", 0}});
  const Tokenizer again(t.text(), "again");
  EXPECT_EQ(again.ids(), t.ids());
  EXPECT_EQ(again.text(), t.text());
  EXPECT_EQ(json::parse(t.text())["model"]["unk_id"], 0);
  EXPECT_EQ(json::parse(t.text())["model"]["vocab"][1][0], "z");
}

TEST(Tokenizer, JoinsMergesAfterItsOwn) {
  Tokenizer a = tokenizer("BPE", {{"a", 0}, {"b", 1}, {"ab", 2}}, {{"<s>", 3}},
                          {{"merges", {"a b"}}});
  const Tokenizer b = tokenizer(
      "BPE", {{"a", 5}, {"b", 4}, {"c", 3}, {"bc", 2}, {"ab", 1}},
      {{"<im>", 6}, {"<s>", 0}},
      {{"merges",
        json::array({json::array({"b", "c"}), json::array({"a", "b"})})}});
  a.join(b);
  EXPECT_EQ(a.ids(), (TokenIds{{"a", 0},
                               {"b", 1},
                               {"ab", 2},
                               {"<s>", 3},
                               {"bc", 4},
                               {"c", 5},
                               {"<im>", 6}}));
  const json out = json::parse(a.text());
  EXPECT_EQ(out["model"]["merges"],
            json::array({json::array({"a", "b"}), json::array({"b", "c"})}));
  ASSERT_EQ(out["added_tokens"].size(), 2U);
  EXPECT_EQ(out["added_tokens"][1]["content"], "<im>");
  EXPECT_EQ(out["added_tokens"][1]["id"], 6);
}

TEST(Tokenizer, GivesUnigramsPlacesAfterAddedTokens) {
  Tokenizer a =
      tokenizer("Unigram", scores({{"<unk>", 0}, {"a", -1}}), {{"<extra>", 2}});
  a.join(tokenizer("Unigram", scores({{"<unk>", 0}, {"new", -3}})));
  EXPECT_EQ(a.ids().at("new"), 3);
  const json vocab = json::parse(a.text())["model"]["vocab"];
  ASSERT_EQ(vocab.size(), 4U);
  EXPECT_EQ(vocab[2][0], "<extra>");
  EXPECT_LT(vocab[2][1].get<double>(), -3.0);
  EXPECT_EQ(vocab[3], json::array({"new", -3.0}));
}

TEST(Tokenizer, JoinsWordPieces) {
  Tokenizer a = tokenizer("WordPiece", {{"[UNK]", 0}, {"a", 1}});
  a.join(tokenizer("WordPiece", {{"[UNK]", 0}, {"##b", 1}}));
  EXPECT_EQ(json::parse(a.text())["model"]["vocab"],
            (json{{"[UNK]", 0}, {"a", 1}, {"##b", 2}}));
}

TEST(Tokenizer, RefusesTokensThatMeanSomethingElse) {
  Tokenizer bpe = tokenizer("BPE", {{"a", 0}});
  expect_error<Error>(
      [&] {
        bpe.join(tokenizer("WordPiece", {{"b", 0}}));
      },
      "this one is BPE, that one WordPiece");
  const json file = {{"pre_tokenizer", {{"type", "ByteLevel"}}},
                     {"model", {{"type", "BPE"}, {"vocab", {{"b", 0}}}}}};
  expect_error<Error>([&] { bpe.join(Tokenizer(file.dump(), "t")); },
                      "only one of both spells bytes as letters");
  // Added tokens are text in all of them.
  EXPECT_NO_THROW(bpe.join(tokenizer("WordPiece", {{"a", 0}}, {{"<x>", 1}})));
  EXPECT_EQ(bpe.ids().at("<x>"), 1);
}

TEST(Tokenizer, StripsTokensWithoutARow) {
  Tokenizer t = tokenizer("BPE", {{"a", 0}, {"b", 1}, {"ab", 2}},
                          {{"<pad>", 3}}, {{"merges", {"a b"}}});
  EXPECT_FALSE(t.strip(4));
  EXPECT_TRUE(t.strip(2));
  EXPECT_EQ(t.size(), 2);
  const json out = json::parse(t.text());
  EXPECT_TRUE(out["added_tokens"].empty());
  EXPECT_TRUE(out["model"]["merges"].empty());
}

TEST(Tokenizer, AddsATokenOnce) {
  Tokenizer t = tokenizer("WordLevel", {{"a", 0}});
  t.add("<x>");
  t.add("<x>");
  t.add("a");
  EXPECT_EQ(t.size(), 2);
  EXPECT_EQ(json::parse(t.text())["added_tokens"][0]["content"], "<x>");
}

TEST(Tokenizer, RefusesBrokenFiles) {
  const auto refuse = [](const json& file, const std::string& part) {
    expect_error<Error>([&] { Tokenizer(file.dump(), "t"); }, part);
  };
  refuse({{"model", 1}}, "of no known kind");
  refuse({{"model", {{"type", "BPE"}, {"vocab", json::array()}}}},
         "of no known kind");
  refuse({{"model", {{"type", "BPE"}, {"vocab", {{"a", -1}}}}}},
         "token 'a' has no id");
  refuse({{"model", {{"type", "BPE"}, {"vocab", {{"a", 1 << 29}}}}}},
         "far more than its tokens");
  refuse({{"model", {{"type", "Unigram"}, {"vocab", {1}}}}},
         "entry 0 is no token and score");
  refuse({{"model", {{"type", "BPE"}, {"vocab", {{"a", 0}}}}},
          {"added_tokens", {{{"id", 1}}}}},
         "an added token has no id or text");
  refuse({{"model", {{"type", "BPE"}, {"vocab", {{"a", 0}}}}},
          {"added_tokens",
           {{{"id", 1}, {"content", "x"}}, {{"id", 1}, {"content", "y"}}}}},
         "two added tokens have the id 1");
}

// nlohmann's ordered objects look for every key among all before it: minutes.
TEST(Tokenizer, ReadsAndWritesLargeVocabulariesInTime) {
  json vocab = json::object();
  for (int i = 0; i < 200'000; ++i) vocab["token" + std::to_string(i)] = i;
  const Tokenizer t = tokenizer("BPE", vocab);
  EXPECT_EQ(Tokenizer(t.text(), "again").size(), 200'000);
}

}  // namespace
}  // namespace soup
