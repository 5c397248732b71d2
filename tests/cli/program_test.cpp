#include "cli/program.h"

#include <gtest/gtest.h>

#include <set>

#include "cli/commands.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

int run(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "soup");
  return run_program(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Program, NamesTheNearestCommand) {
  expect_error<UsageError>([] { run({"gready"}); },
                           "unknown command 'gready', did you mean 'greedy'?");
}

TEST(Program, NamesTheNearestOption) {
  expect_error<UsageError>(
      [] {
        run({"uniform", "--includ=x"});
      },
      "unexpected argument '--includ=x', did you mean '--include'?");
}

TEST(Program, RefusesContradictions) {
  expect_error<UsageError>(
      [] {
        run({"list", "--json", "--table"});
      },
      "excludes");
  expect_error<UsageError>([] { run({}); }, "no command given");
}

TEST(Program, EveryCommandHasHelpWithExamples) {
  std::set<std::string_view> names;
  for (const Command& command : commands()) {
    EXPECT_TRUE(names.insert(command.name).second);
    const std::string name(command.name);
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(run({name.c_str(), "--help"}), 0);
    const std::string help = ::testing::internal::GetCapturedStdout();
    EXPECT_NE(help.find("Examples:\n  soup " + name), std::string::npos)
        << help;
  }
}

}  // namespace
}  // namespace soup
