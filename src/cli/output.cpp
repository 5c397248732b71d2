#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/progress.h"
#include "soup/error.h"

namespace soup {
namespace {

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

void print_table(const Output& output, std::vector<Column> columns,
                 const std::vector<std::vector<std::string>>& rows) {
  for (const std::string& line : table_lines(std::move(columns), rows)) {
    output.line(line);
  }
}

}  // namespace soup
