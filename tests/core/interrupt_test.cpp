#include "core/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "core/file.h"
#include "core/log.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

// A child of its own: the handlers end the process.
class InterruptDeathTest : public ::testing::TestWithParam<int> {};

TEST_P(InterruptDeathTest, RemovesTemporaryFilesAndEndsInOrder) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const testing::TempFolder folder;
  const auto die = [&] {
    handle_interrupts();
    AtomicFile file(folder / "out", false);
    file.reserve(10);
    kill(getpid(), GetParam());
    for (;;) pause();
  };
  EXPECT_EXIT(die(), ::testing::ExitedWithCode(128 + GetParam()),
              "interrupted");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_P(InterruptDeathTest, RemovesAFolderWithFilesThatAreComplete) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const testing::TempFolder folder;
  const auto die = [&] {
    handle_interrupts();
    std::filesystem::create_directory(folder / "temporary");
    remove_on_interrupt(folder / "temporary");
    write_text(folder / "temporary" / "shard", "complete", false);
    kill(getpid(), GetParam());
    for (;;) pause();
  };
  EXPECT_EXIT(die(), ::testing::ExitedWithCode(128 + GetParam()),
              "interrupted");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// A shell that was asked for two commands starts them as children.
TEST_P(InterruptDeathTest, EndsChildrenWithAllThatTheyStarted) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const testing::TempFolder folder;
  const std::string begun = (folder / "begun").string();
  const std::string late = (folder / "late").string();
  const auto die = [&] {
    handle_interrupts();
    const pid_t child = fork();
    if (child == 0) {
      restore_interrupts();
      const std::string command =
          "(touch " + begun + "; sleep 1; touch " + late + ") & wait; true";
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    end_on_interrupt(child);
    while (!std::filesystem::exists(begun)) usleep(1000);
    kill(getpid(), GetParam());
    for (;;) pause();
  };
  EXPECT_EXIT(die(), ::testing::ExitedWithCode(128 + GetParam()),
              "interrupted");
  sleep(2);  // longer than it would have taken
  EXPECT_FALSE(std::filesystem::exists(late));
}

// An interrupt may come while the process is ending: it is told of after the
// statics that are younger than this one are gone.
struct LateMessage {
  ~LateMessage() {
    log::error("interrupted late");
    _exit(7);
  }
};

TEST(LogDeathTest, TellsWhileTheProcessEnds) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto end = [] {
    static const LateMessage late;
    log::error("first");
    std::exit(0);
  };
  EXPECT_EXIT(end(), ::testing::ExitedWithCode(7), "interrupted late");
}

INSTANTIATE_TEST_SUITE_P(Signals, InterruptDeathTest,
                         ::testing::Values(SIGINT, SIGTERM));

}  // namespace
}  // namespace soup
