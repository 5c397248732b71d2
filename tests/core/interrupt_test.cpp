#include "core/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "core/file.h"
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

INSTANTIATE_TEST_SUITE_P(Signals, InterruptDeathTest,
                         ::testing::Values(SIGINT, SIGTERM));

}  // namespace
}  // namespace soup
