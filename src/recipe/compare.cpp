#include "recipe/compare.h"

#include <algorithm>
#include <string_view>

#include "core/text.h"
#include "recipe/piece.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kLinesPerKind = 3;
constexpr size_t kFiles = 20;

std::string tensors(size_t n) {
  return std::to_string(n) + (n == 1 ? " tensor" : " tensors");
}

void append(std::vector<std::string>& lines, const std::string& file,
            std::vector<std::string>& found, const char* what) {
  for (size_t i = 0; i < std::min(found.size(), kLinesPerKind); ++i) {
    lines.push_back(file + ": " + found[i]);
  }
  if (found.size() > kLinesPerKind) {
    const size_t more = found.size() - kLinesPerKind;
    lines.push_back(file + ": " + tensors(more) + " more " +
                    (more == 1 ? "has" : "have") + " another " + what);
  }
  found.clear();
}

}  // namespace

std::string exclusion(const std::string& name) {
  const size_t dot = name.rfind('.');
  const bool whole = dot == std::string::npos;
  std::string regex = "^";
  for (char c : printable(whole ? name : name.substr(0, dot + 1))) {
    if (std::string_view(".^$|()[]{}*+?\\").find(c) != std::string_view::npos) {
      regex += '\\';
    }
    regex += c;
  }
  return "--exclude '" + regex + (whole ? "$'" : "'");
}

void Mistakes::differs(std::vector<std::string>& lines,
                       const TensorInfo& tensor, const std::string& found,
                       const std::string& expected) {
  std::string line =
      quoted(tensor) + " is " + found + ", but " + first_ + " has " + expected;
  if (!hinted_) line += "; leave it out with " + exclusion(tensor.name);
  hinted_ = true;
  lines.push_back(line);
}

void Mistakes::shape(const TensorInfo& expected, const TensorInfo& found) {
  differs(shapes_, expected, shape_text(found.shape),
          shape_text(expected.shape));
}

void Mistakes::dtype(const TensorInfo& expected, const TensorInfo& found) {
  differs(dtypes_, expected, std::string(name(found.dtype)),
          std::string(name(expected.dtype)));
}

void Mistakes::finish(const Checkpoint& ingredient) {
  const std::string file = ingredient.path().string();
  const size_t before = lines_.size();
  std::string names;
  if (!missing_.empty()) {
    names = tensors(missing_.size()) + " of " + first_ +
            (missing_.size() == 1 ? " is" : " are") + " missing, first '" +
            printable(missing_.front()) + "'";
  }
  if (!extra_.empty()) {
    const char* verb = extra_.size() == 1 ? " is" : " are";
    names += names.empty()
                 ? tensors(extra_.size()) + verb + " not in " + first_
                 : ", and " + std::to_string(extra_.size()) + verb + " extra";
    names += ", first '" + printable(extra_.front()) + "'";
  }
  if (!names.empty()) lines_.push_back(file + ": " + names);
  missing_.clear();
  extra_.clear();
  append(lines_, file, shapes_, "shape");
  append(lines_, file, dtypes_, "dtype");
  if (lines_.size() == before) return;
  if (++files_ > kFiles) lines_.resize(before);
}

void Mistakes::check() const {
  if (lines_.empty()) return;
  if (lines_.size() == 1) throw Error(lines_.front());
  std::string message = "the ingredients do not fit together:";
  for (const std::string& line : lines_) message += "\n  " + line;
  if (files_ > kFiles) {
    message += "\n  and " + std::to_string(files_ - kFiles) +
               " more ingredients do not fit";
  }
  throw Error(message);
}

}  // namespace soup
