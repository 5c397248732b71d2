#pragma once

#include <string>
#include <vector>

namespace soup {

/// A column of a table for people.
struct Column {
  std::string title;
  size_t width = 0;  ///< at least this many characters
  bool right = false;
};

/// One row of a table, padded to the columns' widths.
std::string table_row(const std::vector<Column>& columns,
                      const std::vector<std::string>& cells);
/// The row of titles.
std::string table_head(const std::vector<Column>& columns);
/// A line of titles and one for each row, columns as wide as their widest cell.
std::vector<std::string> table_lines(
    std::vector<Column> columns,
    const std::vector<std::vector<std::string>>& rows);

}  // namespace soup
