#include <gtest/gtest.h>

#include "soup/eval.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::TempFolder;

MemoryCheckpoint candidate() {
  return MemoryCheckpoint("candidate",
                          {{.name = "w", .dtype = DType::kF32, .shape = {2}}});
}

Score run(const std::string& command, bool lower = false) {
  const TempFolder folder;
  const MemoryCheckpoint weights = candidate();
  const Score score = make_command_evaluator(command, lower, folder.path())
                          ->evaluate(weights)
                          .value();
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  return score;
}

TEST(CommandEvaluator, TakesTheLastLine) {
  const Score score = run("echo 1; echo 0.25; echo; : {}");
  EXPECT_EQ(score.value, 0.25);
  EXPECT_EQ(score.count, 0);
  EXPECT_TRUE(score.higher_is_better);
  EXPECT_EQ(run(R"(echo '{"value": 3, "count": 7}'; : {})").count, 7);
  EXPECT_FALSE(run("echo 1 # {}", true).higher_is_better);
}

TEST(CommandEvaluator, GivesTheCandidateAsAFile) {
  // 8 bytes of length, a header, 8 bytes of values.
  EXPECT_GT(run("stat -c %s {}").value, 16);
}

TEST(CommandEvaluator, QuotesThePath) {
  const TempFolder parent;
  const std::filesystem::path folder = parent / "a 'b' $c";
  std::filesystem::create_directory(folder);
  const MemoryCheckpoint weights = candidate();
  const auto evaluator =
      make_command_evaluator("test -f {} && echo 1", false, folder);
  EXPECT_EQ(evaluator->evaluate(weights)->value, 1);
}

TEST(CommandEvaluator, SaysWhatWentWrong) {
  expect_error<Error>([] { run("exit 3 # {}"); },
                      "'exit 3 # {}': failed with exit code 3");
  expect_error<Error>([] { run("kill -9 $$ # {}"); }, "ended by signal 9");
  expect_error<Error>([] { run("echo done {} | cut -c -4"); },
                      "its last line of output is no number");
  expect_error<Error>([] { run(": {}"); }, "is no number");
  expect_error<Error>([] { run("echo nan # {}"); }, "no number");
  expect_error<UsageError>([] { run("echo 1"); }, "has no {}");
}

}  // namespace
}  // namespace soup
