#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "soup/checkpoint.h"

namespace soup {

/// A tensor of an engine, and the tensors of a checkpoint it is made of.
struct Slot {
  std::string name;                  ///< the engine's
  std::vector<int64_t> shape;        ///< the engine's
  std::vector<std::string> sources;  ///< stacked along the first dimension
  std::vector<int64_t> source_shape = {};  ///< of each of them
  bool transposed = false;                 ///< the (one) source is
};

/// What a tensor or a module of an engine is called in a checkpoint.
struct NameRule {
  std::string engine;                ///< '#' stands for the number of a block
  std::vector<std::string> sources;  ///< several: stacked (query, key, value)
  size_t flat = 0;          ///< leading extents of 1 that the file leaves out
  bool transposed = false;  ///< the file has columns for rows
};

/// True for the name of a tensor that checkpoints have and logits do not need.
using Unused = std::function<bool(std::string_view)>;

/// True for names that match; for none when `pattern` is empty.
Unused matching(const std::string& pattern);

/// The names of one family of files. What no rule names is called as in the
/// engine.
class Layout {
 public:
  Layout() = default;
  /// `unused`: pattern of the tensors that such files have and logits do not
  /// need; empty: none.
  explicit Layout(std::vector<NameRule> rules, const std::string& unused = {})
      : rules_(std::move(rules)), unused_(matching(unused)) {}

  /// A tensor of the engine. Where and how it lies in a file.
  Slot slot(const std::string& name, std::vector<int64_t> shape) const;
  const Unused& unused() const { return unused_; }

 private:
  std::vector<NameRule> rules_;
  Unused unused_ = matching({});
};

/// Shapes of a checkpoint by an engine's names, with messages that name the
/// file and its own names.
class Shapes {
 public:
  Shapes(const Checkpoint& checkpoint, const Layout& layout)
      : checkpoint_(checkpoint), layout_(layout) {}

  const Layout& layout() const { return layout_; }
  bool has(const std::string& name) const;
  /// Number of dimensions in the file; 0 when it is missing.
  size_t rank(const std::string& name) const;
  /// Throws Error when it is missing, has another rank or an extent of 0.
  std::vector<int64_t> get(const std::string& name, size_t rank) const;
  [[noreturn]] void fail(const std::string& what) const;

 private:
  const Checkpoint& checkpoint_;
  const Layout& layout_;
};

/// What stands before `suffix` in the name of the first tensor that ends so.
std::optional<std::string> prefix_before(const Checkpoint& checkpoint,
                                         std::string_view suffix);

bool has_tensors(const Checkpoint& checkpoint,
                 const std::vector<std::string>& names);

}  // namespace soup
