#include "model/layout.h"

#include <algorithm>
#include <cctype>

#include "core/pattern.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }

/// What `name` has after a match of the whole of `pattern`, and the number that
/// '#' stood for.
struct Match {
  std::string_view number;
  std::string_view rest;
};

std::optional<Match> match(std::string_view pattern, std::string_view name) {
  Match found;
  for (char c : pattern) {
    if (c == '#') {
      const auto end = std::find_if_not(name.begin(), name.end(), is_digit);
      const auto length = static_cast<size_t>(end - name.begin());
      found.number = name.substr(0, length);
      name.remove_prefix(length);
      continue;
    }
    if (!name.starts_with(c)) return std::nullopt;
    name.remove_prefix(1);
  }
  if (!name.empty() && name[0] != '.') return std::nullopt;
  found.rest = name;
  return found;
}

std::string source_name(const std::string& pattern, const Match& match) {
  std::string name;
  for (char c : pattern) {
    if (c == '#') {
      name += match.number;
    } else {
      name += c;
    }
  }
  return name.append(match.rest);
}

}  // namespace

Unused matching(const std::string& pattern) {
  if (pattern.empty()) return [](std::string_view) { return false; };
  return [compiled = Pattern("unused tensors", pattern)](
             std::string_view name) { return compiled.found_in(name); };
}

Slot Layout::slot(const std::string& name, std::vector<int64_t> shape) const {
  Slot slot{.name = name, .shape = std::move(shape), .sources = {name}};
  slot.source_shape = slot.shape;
  for (const NameRule& rule : rules_) {
    const std::optional<Match> found = match(rule.engine, name);
    if (!found) continue;
    slot.sources.clear();
    for (const std::string& source : rule.sources) {
      slot.sources.push_back(source_name(source, *found));
    }
    std::vector<int64_t>& shape_there = slot.source_shape;
    if (!shape_there.empty()) shape_there[0] /= std::ssize(slot.sources);
    const size_t flat = std::min(rule.flat, shape_there.size());
    shape_there.erase(shape_there.begin(),
                      shape_there.begin() + static_cast<std::ptrdiff_t>(flat));
    slot.transposed = rule.transposed && shape_there.size() == 2;
    if (slot.transposed) std::swap(shape_there[0], shape_there[1]);
    break;
  }
  return slot;
}

bool Shapes::has(const std::string& name) const {
  return has_tensors(checkpoint_, layout_.slot(name, {}).sources);
}

size_t Shapes::rank(const std::string& name) const {
  const auto index = checkpoint_.find(layout_.slot(name, {}).sources[0]);
  return index ? checkpoint_.tensors()[*index].shape.size() : 0;
}

std::vector<int64_t> Shapes::get(const std::string& name, size_t rank) const {
  // Of this rank, so that the slot says how the file's differs.
  const Slot slot = layout_.slot(name, std::vector<int64_t>(rank, 1));
  std::vector<int64_t> shape;
  int64_t stacked = 0;
  for (const std::string& source : slot.sources) {
    const auto index = checkpoint_.find(source);
    if (!index) fail("'" + source + "' is missing, which the model needs");
    shape = checkpoint_.tensors()[*index].shape;
    const size_t wanted = slot.source_shape.size();
    bool good = shape.size() == wanted;
    for (int64_t extent : shape) good = good && extent > 0;
    if (!good) {
      fail("'" + source + "' is " + shape_text(shape) + ", expected " +
           std::to_string(wanted) + " dimensions");
    }
    if (wanted > 0 && __builtin_add_overflow(stacked, shape[0], &stacked)) {
      fail("'" + source + "' is too large");
    }
  }
  if (slot.sources.size() > 1) shape[0] = stacked;
  if (slot.transposed) std::swap(shape[0], shape[1]);
  shape.insert(shape.begin(), rank - shape.size(), 1);
  return shape;
}

void Shapes::fail(const std::string& what) const {
  throw Error(checkpoint_.path().string() + ": " + what);
}

std::optional<std::string> prefix_before(const Checkpoint& checkpoint,
                                         std::string_view suffix) {
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    const std::string_view name = tensor.name;
    if (!name.ends_with(suffix)) continue;
    const std::string_view prefix = name.substr(0, name.size() - suffix.size());
    if (prefix.empty() || prefix.back() == '.') return std::string(prefix);
  }
  return std::nullopt;
}

bool has_tensors(const Checkpoint& checkpoint,
                 const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return checkpoint.find(name).has_value();
  });
}

}  // namespace soup
