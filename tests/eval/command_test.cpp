#include <gtest/gtest.h>

#include "core/file.h"
#include "soup/error.h"
#include "soup/eval.h"
#include "support/expect_error.h"
#include "support/random_vit.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::random_vit;

class EvalCommand : public ::testing::Test {
 protected:
  Score score(const std::string& command, const Checkpoint& weights,
              bool lower = false) {
    return make_command_evaluator(command, lower, folder_.path())
        ->evaluate(weights)
        .value();
  }

  void expect_failure(const std::string& command, const std::string& part) {
    expect_error<Error>([&] { score(command, *candidate_); }, part);
    EXPECT_EQ(files(), 0);
  }

  int64_t files() const {
    return std::distance(fs::directory_iterator(folder_.path()), {});
  }

  testing::TempFolder folder_;
  std::unique_ptr<MemoryCheckpoint> candidate_ = random_vit({.width = 8});
};

TEST_F(EvalCommand, ReadsANumber) {
  const Score made = score("echo tuning; echo 0.75 # {}", *candidate_);
  EXPECT_EQ(made.value, 0.75);
  EXPECT_TRUE(made.higher_is_better);
  EXPECT_FALSE(made.correct);
  EXPECT_EQ(made.dataset, "eval-cmd");
  EXPECT_FALSE(
      score("echo 1 {} | cut -c1", *candidate_, true).higher_is_better);
}

TEST_F(EvalCommand, ReadsAnObject) {
  const Score made =
      score(R"(: {}; echo '{"value": 0.25, "count": 400}')", *candidate_);
  EXPECT_EQ(made.value, 0.25);
  EXPECT_EQ(made.count, 400);
}

TEST_F(EvalCommand, CandidatesAreWrittenAndRemoved) {
  const std::string copy = (folder_ / "copy.safetensors").string();
  score("cp {} " + copy + "; echo 1", *candidate_);
  EXPECT_EQ(files(), 1);
  const CheckpointPtr written = open_checkpoint(copy);
  ASSERT_EQ(written->tensors().size(), candidate_->tensors().size());
  const size_t index = written->find("head.weight").value();
  const TensorData a = written->read(index);
  const TensorData b =
      candidate_->read(candidate_->find("head.weight").value());
  EXPECT_TRUE(std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin(),
                         b.bytes().end()));
}

TEST_F(EvalCommand, FilesAreGivenAsTheyAre) {
  const fs::path file = folder_ / "it's a model.safetensors";
  save_checkpoint(*candidate_, file);
  const std::string seen = (folder_ / "seen").string();
  score("printf %s {} > " + seen + "; echo 1", *open_checkpoint(file));
  EXPECT_EQ(read_text(seen, 4096), file.string());
}

TEST_F(EvalCommand, FailuresAreErrorsWithTheCommand) {
  expect_failure("exit 3 # {}",
                 "--eval-cmd 'exit 3 # {}': failed with exit code 3");
  expect_failure("kill -9 $$ # {}", "was ended by signal 9");
  expect_failure("echo accuracy 0.5 # {}",
                 "its last line is no number: 'accuracy 0.5'");
  expect_failure(": {}", "its last line is no number: ''");
  expect_failure("echo nan # {}", "not a number");
  expect_failure("echo '{\"val\": 1}' # {}", "no key 'value'");
  expect_failure("echo '{\"value\": \"x\"}' # {}",
                 "'value' has the wrong type");
  expect_failure("echo '{' # {}", "--eval-cmd");
}

TEST_F(EvalCommand, NeedsAPlaceForThePath) {
  expect_error<UsageError>(
      [] { make_command_evaluator("python score.py", false, "."); },
      "has no {} for the checkpoint's path");
}

TEST_F(EvalCommand, HasNoExamples) {
  const auto evaluator = make_command_evaluator("echo 1 {}", false, ".");
  EXPECT_EQ(evaluator->examples(), 0);
  EXPECT_FALSE(evaluator->counts());
}

}  // namespace
}  // namespace soup
