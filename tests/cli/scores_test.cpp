#include "cli/scores.h"

#include <gtest/gtest.h>

#include <cmath>

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

{"kind":"score","path":"b","metric":"nll","value":0.25,"count":4,"correct":null,"standard_error":0.125}
{"kind":"score","path":"c","metric":"nll","value":null,"count":4,"correct":null,"standard_error":null})",
             false);
  const auto scores = read_scores(folder / "s.jsonl");
  ASSERT_EQ(scores.size(), 3U);
  EXPECT_EQ(scores[0].path, "a");
  EXPECT_EQ(scores[0].score.correct, 2);
  EXPECT_EQ(scores[0].score.dataset, "d");
  EXPECT_EQ(scores[0].score.standard_error, std::nullopt);
  EXPECT_EQ(scores[1].score.correct, std::nullopt);
  EXPECT_EQ(scores[1].score.value, 0.25);
  EXPECT_EQ(scores[1].score.standard_error, 0.125);
  EXPECT_TRUE(std::isnan(scores[2].score.value));
}

TEST(ReadScores, NamesTheLine) {
  const TempFolder folder;
  write_text(folder / "s", "{\"kind\":\"x\"}\n{\"path\":\"a\"}\n", false);
  expect_error<UsageError>([&] { read_scores(folder / "s"); },
                           "s:2: a score needs the key 'metric'");
  write_text(folder / "s", "model_1  91.33 %\n", true);
  expect_error<UsageError>([&] { read_scores(folder / "s"); },
                           "s:1: is no JSON object; scores are read as soup "
                           "eval --json prints them");
  write_text(folder / "s", "{", true);
  expect_error<Error>([&] { read_scores(folder / "s"); }, "s:1: ");
}

/// Data that is only talked about.
class Data : public Evaluator {
 public:
  explicit Data(bool counts) : counts_(counts) {}
  const std::string& dataset() const override { return name_; }
  int64_t examples() const override { return 4; }
  bool counts() const override { return counts_; }
  bool higher_is_better() const override { return counts_; }

 private:
  bool counts_;
  std::string name_ = "held-out";
};

class KnownScoresTest : public ::testing::Test {
 protected:
  KnownScoresTest() {
    for (const char* name : {"a", "b"}) {
      zoo_.push_back(std::make_unique<MemoryCheckpoint>(
          (folder_ / name).string(), std::vector<TensorInfo>()));
    }
  }

  std::map<std::string, Score> known(const std::string& lines,
                                     const std::string& metric) {
    write_text(folder_ / "s", lines, true);
    const Data data(metric == "top1");
    return known_scores(folder_ / "s", zoo_, data, metric);
  }
  std::string line(const std::string& path, const std::string& dataset,
                   const std::string& metric, const std::string& value) const {
    return R"({"path":")" + (folder_.path() / path).string() +
           R"(","dataset":")" + dataset + R"(","metric":")" + metric +
           R"(","value":)" + value + R"(,"count":4})" + "\n";
  }

  TempFolder folder_;
  std::vector<CheckpointPtr> zoo_;
};

TEST_F(KnownScoresTest, AreOfThisDataAndMetricOnly) {
  const std::string lines =
      line("a", "held-out", "top1", "0.5") + line("a", "test", "top1", "1") +
      line("a", "held-out", "nll", "2") + line("c", "held-out", "top1", "1") +
      line("a", "held-out", "top1", "0.5");
  const auto found = known(lines, "top1");
  ASSERT_EQ(found.size(), 1U);
  const Score& score = found.at(zoo_[0]->path().string());
  EXPECT_EQ(score.value, 0.5);
  EXPECT_EQ(score.correct, 2);
  const std::string of =
      "has no score of these checkpoints by brier on held-out";
  expect_error<UsageError>([&] { known(lines, "brier"); }, of);
}

TEST_F(KnownScoresTest, GoTheWayOfTheirMetric) {
  const auto found = known(
      line("a", "held-out", "nll", "2") + line("b", "held-out", "nll", "null"),
      "nll");
  ASSERT_EQ(found.size(), 2U);
  for (const auto& [path, score] : found) {
    EXPECT_FALSE(score.higher_is_better);
    EXPECT_FALSE(score.correct);
  }
}

TEST_F(KnownScoresTest, AreOfTheFileWhateverWayLeadsThere) {
  const auto found = known(line("x/../b", "held-out", "top1", "0.5"), "top1");
  EXPECT_TRUE(found.contains(zoo_[1]->path().string()));
}

TEST_F(KnownScoresTest, MustAgree) {
  expect_error<UsageError>(
      [&] {
        known(line("a", "held-out", "top1", "0.5") +
                  line("a", "held-out", "top1", "0.75"),
              "top1");
      },
      "has two different scores of ");
}

}  // namespace
}  // namespace soup
