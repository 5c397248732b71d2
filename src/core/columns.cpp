#include "core/columns.h"

#include <algorithm>
#include <string_view>

#include "core/text.h"

namespace soup {
namespace {

// Characters, not bytes, so that names beyond ASCII stay aligned.
size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

std::string table_row(const std::vector<Column>& columns,
                      const std::vector<std::string>& cells) {
  std::string row;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string cell = printable(cells[i]);
    const size_t width = display_width(cell);
    const std::string padding(
        columns[i].width > width ? columns[i].width - width : 0, ' ');
    if (i > 0) row += "  ";
    row += columns[i].right ? padding + cell : cell + padding;
  }
  row.erase(row.find_last_not_of(' ') + 1);
  return row;
}

std::string table_head(const std::vector<Column>& columns) {
  std::vector<std::string> titles;
  for (const Column& column : columns) titles.push_back(column.title);
  return table_row(columns, titles);
}

std::vector<std::string> table_lines(
    std::vector<Column> columns,
    const std::vector<std::vector<std::string>>& rows) {
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i].width =
        std::max(columns[i].width, display_width(columns[i].title));
    for (const auto& row : rows) {
      columns[i].width =
          std::max(columns[i].width, display_width(printable(row[i])));
    }
  }
  std::vector<std::string> lines = {table_head(columns)};
  for (const auto& row : rows) lines.push_back(table_row(columns, row));
  return lines;
}

}  // namespace soup
