#include "eval/run_command.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>

namespace soup {
namespace {

TEST(RunCommand, GivesTheLastLine) {
  EXPECT_EQ(run_command("echo a; echo '  b c  '; echo; echo ' '").last_line,
            "b c");
  EXPECT_EQ(run_command("printf 0.5").last_line, "0.5");
  EXPECT_EQ(run_command("true").last_line, "");
}

TEST(RunCommand, LongOutputDoesNotBlockIt) {
  const CommandResult result = run_command(
      "i=0; while [ $i -lt 20000 ]; do echo line $i of many; "
      "i=$((i+1)); done; echo 7");
  EXPECT_EQ(result.last_line, "7");
  EXPECT_EQ(result.status, 0);
}

TEST(RunCommand, TellsHowItEnded) {
  EXPECT_EQ(WEXITSTATUS(run_command("exit 3").status), 3);
  EXPECT_EQ(WEXITSTATUS(run_command("/no/such/program 2>/dev/null").status),
            127);
  const CommandResult killed = run_command("kill -9 $$");
  ASSERT_TRUE(WIFSIGNALED(killed.status));
  EXPECT_EQ(WTERMSIG(killed.status), 9);
}

TEST(RunCommand, HiddenVariablesAreNotSeen) {
  setenv("SOUP_TEST_SEEN", "1", 1);
  setenv("SOUP_TEST_HIDDEN", "2", 1);
  const std::string command = "echo $SOUP_TEST_SEEN$SOUP_TEST_HIDDEN";
  EXPECT_EQ(run_command(command).last_line, "12");
  EXPECT_EQ(run_command(command, {.hidden = {"SOUP_TEST_HIDDEN"}}).last_line,
            "1");
}

TEST(RunCommand, HasNoInput) { EXPECT_EQ(run_command("wc -c").last_line, "0"); }

TEST(ShellQuote, MakesOneWord) {
  for (const std::string text : {"plain", "two words", "it's", "$HOME", "a\nb",
                                 "*", "", "'; exit 9; '"}) {
    EXPECT_EQ(run_command("printf %s " + shell_quote(text) +
                          " | od -An -tx1 | tr -d ' \\n'")
                  .last_line.size(),
              2 * text.size());
  }
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
}

TEST(RunCommand, EndsWhatTakesTooLongWithAllItStarted) {
  const auto start = std::chrono::steady_clock::now();
  // One that starts others, and one that closes its output.
  for (const char* command :
       {"sh -c 'sleep 61 & sleep 62'; echo 1", "exec >&-; sleep 63"}) {
    const CommandResult result = run_command(command, {.seconds = 0.1});
    EXPECT_TRUE(result.timed_out);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_FALSE(run_command("echo 1", {.seconds = 60}).timed_out);
}

}  // namespace
}  // namespace soup
