#include "core/text.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace soup {
namespace {

TEST(NaturalLess, CountsAsPeopleDo) {
  std::vector<std::string> names = {"model_10", "model_2", "model_1",
                                    "a",        "model",   "model_02"};
  std::sort(names.begin(), names.end(),
            [](const auto& a, const auto& b) { return natural_less(a, b); });
  EXPECT_EQ(names,
            (std::vector<std::string>{"a", "model", "model_1", "model_02",
                                      "model_2", "model_10"}));
}

TEST(NaturalLess, IsIrreflexiveAndTotal) {
  EXPECT_FALSE(natural_less("x1", "x1"));
  EXPECT_NE(natural_less("x01", "x1"), natural_less("x1", "x01"));
  // Longer than any integer type.
  EXPECT_TRUE(
      natural_less("99999999999999999999999", "100000000000000000000000"));
}

TEST(Glob, MatchesWholeNames) {
  EXPECT_TRUE(glob_matches("*_ema.pt", "a_ema.pt"));
  EXPECT_FALSE(glob_matches("*_ema", "a_ema.pt"));
}

TEST(Printable, EscapesWhatATerminalObeys) {
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("\xc3\xa9"), "\xc3\xa9");  // UTF-8 stays
}

TEST(Lower, LeavesAllButLettersAlone) {
  EXPECT_EQ(lower("A-Z_az.JPEG \xc3\x84"), "a-z_az.jpeg \xc3\x84");
}

TEST(Quote, CutsWhatIsLong) {
  EXPECT_EQ(quote("a\x1b"), "'a\\x1b'");
  EXPECT_EQ(quote(std::string(300, 'x')), "'" + std::string(200, 'x') + "...'");
}

TEST(BytesText, UsesDecimalUnits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1500), "1.5 kB");
  EXPECT_EQ(bytes_text(455'800'000), "456 MB");
  EXPECT_EQ(bytes_text(999'960'000), "1.0 GB");
}

TEST(ShapeText, ScalarsAreEmpty) {
  EXPECT_EQ(shape_text({}), "[]");
  EXPECT_EQ(shape_text({3, 224}), "[3, 224]");
}

}  // namespace
}  // namespace soup
