#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "core/file.h"
#include "search/journal.h"
#include "search/journal_records.h"
#include "search/table_evaluator.h"
#include "soup/search.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
using testing::expect_error;
using testing::records;
using testing::TableEvaluator;
using testing::TempFolder;
using testing::vector_checkpoint;

constexpr int64_t kExamples = 21;

std::vector<CheckpointPtr> zoo(float first = 0) {
  std::mt19937 engine(3);
  std::uniform_int_distribution<int> draw(-2, 3);
  std::vector<CheckpointPtr> all;
  for (int k = 0; k < 6; ++k) {
    std::vector<float> margins(kExamples);
    for (float& m : margins) m = static_cast<float>(draw(engine));
    if (k == 0) margins[0] += first;
    all.push_back(vector_checkpoint("model_" + std::to_string(k), margins));
  }
  return all;
}

class ResumeTest : public ::testing::TestWithParam<bool> {
 protected:
  std::vector<ordered_json> search(const std::string& run,
                                   SearchOptions options = {}) {
    options.run_dir = folder_.path() / run;
    TableEvaluator evaluator(kExamples);
    evaluator.loss = GetParam();
    std::vector<ordered_json> lines;
    options.on_score = [&](const std::filesystem::path& path, const Score& s) {
      lines.push_back({path.string(), s.value, s.standard_error.value_or(-1)});
    };
    options.on_candidate = [&](const Candidate& c) {
      lines.push_back(candidate_json(c));
      lines.back().erase("seconds");
    };
    TableEvaluator guard(kExamples / 3, 3, "guard");
    guard.loss = GetParam();
    if (guarded_) options.guards = {&guard};
    const auto result =
        find_search(name_).run(checkpoints_, &evaluator, options);
    for (const Ingredient& i : result.recipe.ingredients) {
      lines.push_back({i.path.string(), i.weight});
    }
    for (const auto& score : result.without) {
      lines.push_back(score ? score->value : -1);
    }
    passes_ = evaluator.passes;
    return lines;
  }
  /// Leaves the first `count` records of run "whole" in run "cut".
  void cut(int64_t count) {
    std::ifstream from(folder_.path() / "whole" / "journal.jsonl");
    std::filesystem::create_directory(folder_.path() / "cut");
    std::ofstream to(folder_.path() / "cut" / "journal.jsonl");
    std::string line;
    for (int64_t i = 0; i < count && std::getline(from, line); ++i) {
      to << line << "\n";
    }
    std::getline(from, line);
    to << line.substr(0, line.size() / 2);  // and a torn one
  }

  TempFolder folder_;
  std::vector<CheckpointPtr> checkpoints_ = zoo();
  std::string name_ = "greedy";
  bool guarded_ = false;
  int64_t passes_ = 0;
};

TEST_P(ResumeTest, GoesOnFromEveryRecordWithoutDoingAnythingAgain) {
  const auto lines = search("whole");
  const auto journal = records(folder_.path() / "whole");
  ASSERT_EQ(journal.size(), 1U + 6 + 5 + 1);  // run, scores, candidates, result
  EXPECT_EQ(passes_, 11);
  for (int64_t known = 0; known <= std::ssize(journal); ++known) {
    cut(known);
    EXPECT_EQ(search("cut"), lines) << known;
    EXPECT_EQ(records(folder_.path() / "cut"), journal) << known;
    EXPECT_EQ(passes_, 11 - std::clamp<int64_t>(known - 1, 0, 11)) << known;
  }
}

TEST_P(ResumeTest, GoesOnWithEveryVariant) {
  const SearchOptions options[] = {
      {.order = Order::kRandom, .orders = 3},
      {.leave_one_out = true},
      {.sweeps = 2},
  };
  for (const char* name : {"greedy", "pruned", "replacement"}) {
    for (const SearchOptions& one : options) {
      name_ = name;
      guarded_ = !guarded_;
      SearchOptions fresh = one;
      fresh.fresh = true;
      const auto lines = search("whole", fresh);
      const auto journal = records(folder_.path() / "whole");
      const int64_t passes = passes_;
      EXPECT_GT(passes, 5);
      for (int64_t known = 1; known <= std::ssize(journal); ++known) {
        cut(known);
        ASSERT_EQ(search("cut", one), lines) << name << known;
        ASSERT_EQ(records(folder_.path() / "cut"), journal) << name << known;
        // A result is a record without a pass.
        const int64_t saved = std::count_if(
            journal.begin() + 1, journal.begin() + known,
            [](const ordered_json& r) { return r["kind"] != "result"; });
        EXPECT_EQ(passes_, passes - saved) << name << known;
      }
    }
  }
}

TEST_P(ResumeTest, NamesTheOptionThatChanged) {
  search("whole");
  const std::string begin =
      (folder_.path() / "whole").string() + ": was begun with other inputs: ";
  const std::string end = "; --fresh starts anew, --run-dir keeps both";
  const auto expect = [&](const std::string& change, SearchOptions options) {
    expect_error<Error>([&] { search("whole", options); },
                        begin + change + end);
  };
  expect("--leave-one-out was false, is true", {.leave_one_out = true});
  expect("--order was score, is random, --orders was 1, is 2",
         {.order = Order::kRandom, .orders = 2});
  expect("--order was score, is file, --order-file has changed",
         {.order = Order::kFile, .visit = {"model_3"}});
  if (!GetParam()) {
    expect("--alpha was 1.0, is 0.25", {.alpha = 0.25});
  }
  expect("--sweeps was 1, is 2", {.sweeps = 2});
  expect("--max-ingredients was not given, is 3", {.max_ingredients = 3});
  Recipe recipe;
  recipe.dtype = "f16";
  recipe.exclude = "head";
  recipe.include = "w";
  expect(
      "--dtype was keep, is f16, --exclude was not given, is head, --include "
      "was not given, is w",
      {.recipe = recipe});
  name_ = "pruned";
  expect(
      "the search was greedy, is pruned, --sweeps was 1, is until nothing "
      "changes",
      {});
  name_ = "greedy";
  guarded_ = true;
  expect("the guard's data set has changed", {});
}

TEST_P(ResumeTest, TellsWhatChanged) {
  search("whole");
  const std::string begin =
      (folder_.path() / "whole").string() + ": was begun with other inputs: ";
  const std::string end = "; --fresh starts anew, --run-dir keeps both";
  expect_error<Error>([&] { search("whole", {.accept_equal = false}); },
                      begin + "--accept was ge, is gt" + end);
  checkpoints_ = zoo(1);
  expect_error<Error>([&] { search("whole"); },
                      begin + "model_0 has changed" + end);
  checkpoints_ = zoo();
  checkpoints_.pop_back();
  expect_error<Error>([&] { search("whole"); },
                      begin + "model_5 is missing" + end);
  checkpoints_ = zoo();
  std::swap(checkpoints_[0], checkpoints_[1]);
  expect_error<Error>([&] { search("whole"); },
                      begin + "the checkpoints come in another order" + end);
  search("whole", {.fresh = true});
  EXPECT_EQ(passes_, 11);
}

TEST_P(ResumeTest, TellsARenamedCheckpoint) {
  search("whole");
  const TensorData data = checkpoints_[0]->read(0);
  std::vector<float> values(kExamples);
  std::memcpy(values.data(), data.bytes().data(), data.bytes().size());
  checkpoints_.push_back(vector_checkpoint("model_9", values));
  checkpoints_.erase(checkpoints_.begin());
  expect_error<Error>([&] { search("whole"); },
                      "other inputs: the checkpoints come in another order, "
                      "model_0 is called model_9 now;");
}

TEST_P(ResumeTest, SaysWhatIsNoBeginning) {
  search("whole");
  const auto replace_journal = [&](const std::string& first) {
    const auto file = folder_.path() / "whole" / "journal.jsonl";
    std::filesystem::remove(file);
    Journal(folder_.path() / "whole", false).append(ordered_json::parse(first));
  };
  const std::string none =
      "journal.jsonl:1: does not say what the run is of, as the first record "
      "of every journal does; --fresh starts anew";
  for (const char* first : {R"({"kind": "score", "ingredients": [0]})",
                            R"({"kind": 3})", R"({"n": 3})"}) {
    replace_journal(first);
    expect_error<Error>([&] { search("whole"); }, none);
  }
  replace_journal(R"({"kind": "run"})");
  expect_error<Error>([&] { search("whole"); },
                      "journal.jsonl:1: is no record of this step: key "
                      "'format' not found; --fresh starts anew");
  replace_journal(R"({"kind": "run", "format": 2})");
  expect_error<Error>([&] { search("whole"); },
                      "was begun with other inputs: the format was 2, is 3; ");
}

TEST_P(ResumeTest, KnowsCheckpointsByTheirContents) {
  search("whole");
  for (size_t k = 0; k < 6; ++k) {
    const TensorData data = checkpoints_[k]->read(0);
    std::vector<float> values(kExamples);
    std::memcpy(values.data(), data.bytes().data(), data.bytes().size());
    checkpoints_[k] = vector_checkpoint("moved_" + std::to_string(k), values);
  }
  search("whole");
  EXPECT_EQ(passes_, 0);
}

// What the journal says of every example gives the numbers of its lines.
TEST_P(ResumeTest, RecordsSayWhatEveryCandidateGotRight) {
  if (GetParam()) GTEST_SKIP() << "of metrics that count";
  search("whole");
  for (const ordered_json& record : records(folder_.path() / "whole")) {
    if (record["kind"] != "score") continue;
    EXPECT_EQ(record["right"].get<std::string>().size(), 4U);
    EXPECT_EQ(record["margins"].get<std::string>().size(), 112U);
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, ResumeTest, ::testing::Bool());

}  // namespace
}  // namespace soup
