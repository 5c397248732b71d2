#include "cli/final_table.h"

#include "cli/describe.h"

namespace soup {
namespace {

std::vector<Column> columns_of(const FinalRow& fullest, const Shifts& shifts) {
  std::vector<Column> columns = {{"", 0, false}};
  if (fullest.held_out) {
    columns.push_back({fullest.held_out->dataset, 0, true});
  }
  for (const Score& score : fullest.others) {
    columns.push_back({score.dataset, 0, true});
  }
  if (shifts.any()) columns.push_back({"mean of shifts", 0, true});
  return columns;
}

}  // namespace

void print_final(std::span<const FinalRow> rows, const Shifts& shifts,
                 const Output& output) {
  std::vector<std::vector<std::string>> texts;
  for (const FinalRow& row : rows) {
    std::vector<std::string>& line = texts.emplace_back();
    line.push_back(row.title);
    if (row.held_out) line.push_back(score_text(*row.held_out));
    for (const Score& score : row.others) line.push_back(score_text(score));
    if (!shifts.any() || row.others.empty()) continue;
    output.object(shifts.describe(row.path, row.others));
    line.push_back(score_text(shifts.mean(row.others)));
  }
  output.line("");
  print_table(output, columns_of(rows.back(), shifts), texts);
}

}  // namespace soup
