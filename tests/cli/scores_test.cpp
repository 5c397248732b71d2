#include "cli/scores.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::TempFolder;

TEST(ReadScores, TakesWhatEvalPrints) {
  const TempFolder folder;
  write_text(folder / "s.jsonl",
             R"({"kind":"checkpoint","path":"a"}
{"kind":"score","path":"a","dataset":"d","metric":"top1","value":0.5,"count":4,"correct":2,"seconds":1}

{"kind":"score","path":"b","metric":"nll","value":0.25,"count":4,"correct":null,"standard_error":0.125})",
             false);
  const auto scores = read_scores(folder / "s.jsonl");
  ASSERT_EQ(scores.size(), 2U);
  EXPECT_EQ(scores.at("a").correct, 2);
  EXPECT_EQ(scores.at("a").dataset, "d");
  EXPECT_EQ(scores.at("b").correct, std::nullopt);
  EXPECT_EQ(scores.at("b").value, 0.25);
  EXPECT_EQ(scores.at("a").standard_error, std::nullopt);
  EXPECT_EQ(scores.at("b").standard_error, 0.125);
}

TEST(ReadScores, NamesTheLine) {
  const TempFolder folder;
  write_text(folder / "s", "{\"kind\":\"x\"}\n{\"path\":\"a\"}\n", false);
  expect_error<UsageError>([&] { read_scores(folder / "s"); },
                           "s:2: a score needs the key 'metric'");
  write_text(folder / "s", "[1]", true);
  expect_error<UsageError>([&] { read_scores(folder / "s"); },
                           "s:1: expected an object");
  write_text(folder / "s", "{", true);
  expect_error<Error>([&] { read_scores(folder / "s"); }, "s:1: ");
}

}  // namespace
}  // namespace soup
