#include "core/pattern.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace soup {
namespace {

TEST(Pattern, IsSearchedAnywhere) {
  const Pattern pattern("exclude", R"(^head\.|\.bias$)");
  EXPECT_TRUE(pattern.found_in("head.weight"));
  EXPECT_TRUE(pattern.found_in("blocks.0.bias"));
  EXPECT_FALSE(pattern.found_in("blocks.0.head.weight"));
  EXPECT_FALSE(pattern.found_in(""));
}

TEST(Pattern, TakesNamesOfAnyBytes) {
  const Pattern pattern("include", "a.c");
  EXPECT_TRUE(
      pattern.found_in(std::string_view("\xff"
                                        "a\xfe"
                                        "c\0",
                                        5)));
}

TEST(Pattern, WhatIsNoneIsRefused) {
  testing::expect_error<UsageError>(
      [] { Pattern("include", "["); },
      "include '[' is not a regular expression: missing ]");
  testing::expect_error<UsageError>([] { Pattern("include", "(a)\\1"); },
                                    "invalid escape sequence: \\1");
  testing::expect_error<UsageError>(
      [] { Pattern("include", std::string(20'000, 'a')); },
      "include: a regular expression of 20000 bytes is too long");
  testing::expect_error<UsageError>([] { Pattern("x", "((a{99}){99}){99}"); },
                                    "is not a regular expression");
}

// Backtracking would take 2^5000 steps, or a stack frame for each byte.
TEST(Pattern, HostileOnesEnd) {
  const Pattern pattern("exclude", "^(a+)+$");
  EXPECT_FALSE(pattern.found_in(std::string(5'000, 'a') + "b"));
  EXPECT_TRUE(pattern.found_in(std::string(5'000'000, 'a')));
}

}  // namespace
}  // namespace soup
