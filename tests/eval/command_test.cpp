#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

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
    return make_command_evaluator({.command = command,
                                   .lower_is_better = lower,
                                   .folder = folder_.path()})
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
  for (const std::string wrong : {"\"x\"", "null", "[1]"}) {
    expect_failure("echo '{\"value\": " + wrong + "}' # {}",
                   "its score is not a number (" + wrong + ")");
  }
  expect_failure("echo '{' # {}", "its last line is no JSON: '{'");
  expect_failure("echo '{\"value\": NaN}' # {}", "is no JSON: '{\"value\"");
  for (const std::string wrong : {"-3", "0.5", "\"x\""}) {
    expect_failure("echo '{\"value\": 1, \"count\": " + wrong + "}' # {}",
                   "its count is no number of examples (" + wrong + ")");
  }
  expect_failure("head -c 300000 /dev/zero | tr '\\0' 1 # {}",
                 "its last line is too long for a score");
}

TEST_F(EvalCommand, NothingIsInfinitelyGood) {
  expect_failure("echo inf # {}", "its score is infinitely good");
  expect_failure("echo '{\"value\": 1e999}' # {}", "is no JSON");
  expect_error<Error>([&] { score("echo -inf # {}", *candidate_, true); },
                      "its score is infinitely good");
  EXPECT_EQ(score("echo inf # {}", *candidate_, true).value, INFINITY);
  EXPECT_EQ(score("echo -inf # {}", *candidate_).value, -INFINITY);
}

TEST_F(EvalCommand, TooLongIsAnError) {
  CommandOptions options = {.command = "sleep 60; echo 1 # {}",
                            .time_limit = 0.2,
                            .folder = folder_.path()};
  expect_error<Error>(
      [&] { make_command_evaluator(options)->evaluate(*candidate_); },
      "took longer than 0.2 s (--eval-timeout)");
  options.command = "echo 1 # {}";
  EXPECT_EQ(make_command_evaluator(options)->evaluate(*candidate_)->value, 1);
}

TEST_F(EvalCommand, StandardErrorIsKept) {
  const fs::path log = folder_ / "run/eval-cmd.log";
  const auto evaluator =
      make_command_evaluator({.command = "echo words >&2; test -e {} && exit 4",
                              .folder = folder_.path(),
                              .log = log});
  for (int i = 0; i < 2; ++i) {
    expect_error<Error>(
        [&] { evaluator->evaluate(*candidate_); },
        "exit code 4; its standard error is in " + log.string());
  }
  EXPECT_EQ(read_text(log, 4096), "words\nwords\n");
}

class LookingAhead : public EvalCommand {
 protected:
  LookingAhead() {
    for (int i = 0; i < 6; ++i) {
      const fs::path file =
          folder_ / ("m" + std::to_string(i) + ".safetensors");
      save_checkpoint(*random_vit({.width = 8}), file);
      files_.push_back(open_checkpoint(file));
      pointers_.push_back(files_.back().get());
    }
  }

  std::unique_ptr<Evaluator> make(const std::string& command) {
    auto made = make_command_evaluator(
        {.command = command, .jobs = 3, .folder = folder_.path()});
    made->look_ahead(pointers_);
    return made;
  }

  std::vector<CheckpointPtr> files_;
  std::vector<const Checkpoint*> pointers_;
};

TEST_F(LookingAhead, RunsSeveralAtOnceButNoMore) {
  // Each waits until three are there; a fourth would be seen by somebody.
  const std::string place = (folder_ / "at-once").string();
  fs::create_directory(place);
  const auto evaluator =
      make("cd " + place +
           "; touch $$; n=0; m=0; for i in $(seq 40); do "
           "n=$(ls | wc -l); [ $n -gt $m ] && m=$n; sleep 0.01; done; rm $$; "
           "echo $m # {}");
  double most = 0;
  for (const CheckpointPtr& file : files_) {
    most = std::max(most, evaluator->evaluate(*file)->value);
  }
  EXPECT_EQ(most, 3);
}

TEST_F(LookingAhead, ScoresAreThoseOfTheirFiles) {
  const auto evaluator = make("basename {} .safetensors | tr -d m | tail -n 1");
  for (int i = 5; i >= 0; --i) {
    EXPECT_EQ(evaluator->evaluate(*files_[static_cast<size_t>(i)])->value, i);
  }
}

TEST_F(LookingAhead, FailuresComeWhenAskedForAndEndTheOthers) {
  const auto start = std::chrono::steady_clock::now();
  {
    const auto evaluator = make("case {} in *m0*) exit 3;; esac; sleep 60");
    expect_error<Error>([&] { evaluator->evaluate(*files_[0]); },
                        "exit code 3");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST_F(EvalCommand, NeedsAPlaceForThePath) {
  expect_error<UsageError>(
      [] { make_command_evaluator({.command = "python score.py"}); },
      "has no {} for the checkpoint's path");
}

TEST_F(EvalCommand, HasNoExamples) {
  const auto evaluator = make_command_evaluator({.command = "echo 1 {}"});
  EXPECT_EQ(evaluator->examples(), 0);
  EXPECT_FALSE(evaluator->counts());
}

}  // namespace
}  // namespace soup
