#include "core/columns.h"

#include <gtest/gtest.h>

namespace soup {
namespace {

TEST(TableRow, PadsToTheColumns) {
  const std::vector<Column> columns = {{"name", 6, false}, {"n", 4, true}};
  EXPECT_EQ(table_head(columns), "name       n");
  EXPECT_EQ(table_row(columns, {"ab", "12"}), "ab        12");
  EXPECT_EQ(table_row(columns, {"too long", "12345"}), "too long  12345");
}

TEST(TableRow, CountsCharactersNotBytes) {
  const std::vector<Column> columns = {{"", 3, false}, {"", 1, false}};
  EXPECT_EQ(table_row(columns, {"\xc3\xa9", "x"}), "\xc3\xa9    x");
}

TEST(TableRow, EscapesWhatATerminalObeys) {
  EXPECT_EQ(table_row({{"", 1, false}}, {"a\x1b[2J"}), "a\\x1b[2J");
}

TEST(TableRow, EndsWithoutBlanks) {
  EXPECT_EQ(table_row({{"", 5, false}, {"", 5, false}}, {"a", ""}), "a");
}

TEST(TableLines, AreAsWideAsTheWidestCell) {
  EXPECT_EQ(table_lines({{"a"}, {"n", 0, true}}, {{"xyz", "1"}, {"", "10"}}),
            (std::vector<std::string>{"a     n", "xyz   1", "     10"}));
}

}  // namespace
}  // namespace soup
