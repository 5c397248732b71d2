#include "recipe/merge_mistakes.h"

#include <algorithm>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kMaxLines = 40;

}  // namespace

void MergeMistakes::add(int line, const std::string& what) {
  const std::string text =
      (line > 0 ? "line " + std::to_string(line) + ": " : "") + what;
  if (std::find(lines_.begin(), lines_.end(), text) == lines_.end()) {
    lines_.push_back(text);
  }
}

void MergeMistakes::add_tensor(const std::string& what,
                               const std::string& name) {
  Repeated& same = repeated_[what];
  if (same.count++ == 0) same.first = name;
}

void MergeMistakes::check() const {
  std::vector<std::string> lines = lines_;
  for (const auto& [what, same] : repeated_) {
    lines.push_back(what + ": '" + printable(same.first) + "'" +
                    (same.count > 1
                         ? " and " + std::to_string(same.count - 1) + " more"
                         : ""));
  }
  if (lines.empty()) return;
  if (lines.size() == 1) throw Error(lines.front());
  if (lines.size() > kMaxLines) {
    lines.resize(kMaxLines);
    lines.push_back("...");
  }
  throw Error("the recipe cannot be made:\n  " + join(lines, "\n  "));
}

}  // namespace soup
