#include "recipe/merge_mistakes.h"

#include <vector>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kMaxLines = 40;

}  // namespace

void MergeMistakes::add(int line, const std::string& what) {
  said_[{line, what}];
}

void MergeMistakes::add_tensor(int line, const std::string& what,
                               const std::string& name) {
  Tensors& tensors = said_[{line, what}];
  if (tensors.count++ == 0) tensors.first = name;
}

void MergeMistakes::check() const {
  if (said_.empty()) return;
  std::vector<std::string> lines;
  for (const auto& [place, tensors] : said_) {
    if (lines.size() == kMaxLines) break;
    const auto& [line, what] = place;
    std::string text =
        (line > 0 ? where_ + ":" + std::to_string(line) + ": " : "") + what;
    if (tensors.count > 0) text += ": '" + printable(tensors.first) + "'";
    if (tensors.count > 1) {
      text += " and " + std::to_string(tensors.count - 1) + " more";
    }
    lines.push_back(std::move(text));
  }
  if (said_.size() == 1) throw Error(lines.front());
  if (said_.size() > kMaxLines) lines.emplace_back("...");
  throw Error(std::to_string(said_.size()) + " mistakes:\n  " +
              join(lines, "\n  "));
}

}  // namespace soup
