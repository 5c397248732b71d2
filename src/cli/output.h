#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/columns.h"

namespace soup {

/// The reader of standard output has gone: the program ends quietly.
struct BrokenPipe {};

/// How results are shown.
enum class OutputMode {
  kAuto,  ///< a table on a terminal, JSON Lines elsewhere
  kJson,
  kTable,
};

/// Standard output, which carries results only. The only writer to it.
/// Throws BrokenPipe, or Error when it cannot be written (a full disk).
class Output {
 public:
  explicit Output(OutputMode mode);

  /// True when results are JSON Lines.
  bool json() const { return json_; }
  /// Prints one object a line, at once, in JSON mode; nothing in table mode.
  /// Names from files that are no UTF-8 are shown with replacement characters.
  void object(const nlohmann::ordered_json& object) const;
  /// Prints a line in table mode; nothing in JSON mode.
  void line(std::string_view text) const;
  /// Prints text in either mode: help, versions, recipes.
  void text(std::string_view text) const;

 private:
  bool json_;
};

/// The lines of table_lines.
void print_table(const Output& output, std::vector<Column> columns,
                 const std::vector<std::vector<std::string>>& rows);

}  // namespace soup
