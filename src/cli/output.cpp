#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/progress.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

// Characters, not bytes, so that names beyond ASCII stay aligned.
size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

void put(std::string_view text) {
  Progress::clear_line();
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
      std::fflush(stdout) == 0;
  if (written) return;
  if (errno == EPIPE) throw BrokenPipe{};
  throw Error(std::string("standard output: cannot write: ") +
              std::strerror(errno));
}

}  // namespace

Output::Output(OutputMode mode)
    : json_(mode == OutputMode::kAuto ? isatty(STDOUT_FILENO) == 0
                                      : mode == OutputMode::kJson) {}

void Output::object(const nlohmann::ordered_json& object) const {
  if (!json_) return;
  using nlohmann::ordered_json;
  put(object.dump(-1, ' ', false, ordered_json::error_handler_t::replace) +
      "\n");
}

void Output::line(std::string_view text) const {
  if (!json_) put(std::string(text) + "\n");
}

void Output::text(std::string_view text) const { put(text); }

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

void print_table(const Output& output, std::vector<Column> columns,
                 const std::vector<std::vector<std::string>>& rows) {
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i].width =
        std::max(columns[i].width, display_width(columns[i].title));
    for (const auto& row : rows) {
      columns[i].width =
          std::max(columns[i].width, display_width(printable(row[i])));
    }
  }
  output.line(table_head(columns));
  for (const auto& row : rows) output.line(table_row(columns, row));
}

}  // namespace soup
