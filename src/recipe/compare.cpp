#include "recipe/compare.h"

#include <algorithm>
#include <string_view>

#include "core/columns.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kRowsOfAKind = 3;
constexpr size_t kFiles = 20;

std::string tensors(size_t n) {
  return std::to_string(n) + (n == 1 ? " tensor" : " tensors");
}

std::string more(size_t all) {
  return "and " + std::to_string(all - kRowsOfAKind) + " more";
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

void Mistakes::shape(const TensorInfo& expected, const TensorInfo& found) {
  shapes_.push_back(
      {expected.name, shape_text(found.shape), shape_text(expected.shape)});
}

void Mistakes::dtype(const TensorInfo& expected, const TensorInfo& found) {
  dtypes_.push_back({expected.name, std::string(name(found.dtype)),
                     std::string(name(expected.dtype))});
}

std::string Mistakes::sentence_of_names() const {
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
  return names;
}

std::string Mistakes::sentence_of(const Difference& one) const {
  return "'" + printable(one.tensor) + "' is " + one.found + ", but " + first_ +
         " has " + one.expected + "; leave it out with " +
         exclusion(one.tensor);
}

void Mistakes::add_names(const std::string& file,
                         const std::vector<std::string>& names,
                         const std::string& what) {
  for (size_t i = 0; i < std::min(names.size(), kRowsOfAKind); ++i) {
    rows_.push_back({file, names[i], what, ""});
  }
  if (names.size() > kRowsOfAKind) {
    rows_.push_back({file, more(names.size()), what, ""});
  }
}

void Mistakes::add_differences(const std::string& file,
                               const std::vector<Difference>& found,
                               const char* what) {
  for (size_t i = 0; i < std::min(found.size(), kRowsOfAKind); ++i) {
    rows_.push_back({file, found[i].tensor, found[i].found, found[i].expected});
  }
  if (found.size() > kRowsOfAKind) {
    rows_.push_back({file, more(found.size()), what, ""});
  }
  mistakes_ += found.size();
  if (found.empty() || !way_out_.empty()) return;
  way_out_ = exclusion(found.front().tensor);
  if (sentence_.empty()) sentence_ = file + ": " + sentence_of(found.front());
}

void Mistakes::finish(const Checkpoint& ingredient) {
  const std::string file = ingredient.path().string();
  const size_t before = rows_.size();
  const std::string names = sentence_of_names();
  if (!names.empty()) {
    ++mistakes_;
    if (sentence_.empty()) sentence_ = file + ": " + names;
  }
  add_names(file, missing_, "missing");
  add_names(file, extra_, "extra");
  add_differences(file, shapes_, "other shapes");
  add_differences(file, dtypes_, "other types");
  missing_.clear();
  extra_.clear();
  shapes_.clear();
  dtypes_.clear();
  if (rows_.size() == before) return;
  if (++files_ > kFiles) rows_.resize(before);
}

void Mistakes::check() const {
  if (mistakes_ == 0) return;
  if (mistakes_ == 1) throw Error(sentence_);
  std::string message = "the ingredients do not fit together:";
  const std::vector<Column> columns = {
      {"file"}, {"tensor"}, {"here"}, {"in " + first_}};
  for (const std::string& line : table_lines(columns, rows_)) {
    message += "\n  " + line;
  }
  if (files_ > kFiles) {
    message += "\n  and " + std::to_string(files_ - kFiles) +
               " more ingredients do not fit";
  }
  if (!way_out_.empty()) {
    message += "\n  leave tensors out with " + way_out_;
  }
  throw Error(message);
}

}  // namespace soup
