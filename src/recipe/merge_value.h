#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/yaml.h"

/// Parameters of a merge recipe: numbers that may change from layer to layer
/// and from tensor to tensor.
namespace soup {

/// Mistakes of a recipe, collected so that a user sees all of them at once.
class Complaints {
 public:
  explicit Complaints(std::string where) : where_(std::move(where)) {}
  /// `line` 0: no place is known.
  void add(int line, const std::string& what);
  /// Something that the recipe names and that is not there.
  void add_missing(int line, const std::string& what);
  bool empty() const { return count_ == 0; }
  /// Throws everything that was added, by line: an Error where all of it is
  /// missing, else a UsageError.
  void check() const;

 private:
  std::string where_;
  std::vector<std::pair<int, std::string>> said_;  // the first ones
  size_t count_ = 0;
  bool wrong_ = false;  // more than missing
};

/// One alternative of a parameter.
struct Choice {
  std::string filter;          ///< part of a tensor's name; empty: always
  std::vector<double> values;  ///< several: a gradient over the layers
  bool steps = false;          ///< truths: picked, not interpolated
  int line = 0;
  /// Set when a name holds the filter, for the warning about one that none
  /// does.
  mutable bool used = false;
};

/// A parameter: the first alternative whose filter matches counts.
struct Parameter {
  std::vector<Choice> choices;

  /// The value for tensor `name` at place `t` in [0, 1] of the layers; nullopt
  /// where no filter matches.
  std::optional<double> value(std::string_view name, double t) const;
};

using Parameters = std::map<std::string, Parameter>;

/// The same for words (rules by name).
struct NamedChoice {
  std::string filter;
  std::string value;
  int line = 0;
};

/// Reads a number or truth. Strict: text that looks like a number is refused.
std::optional<double> read_number(const YamlNode&, bool strict);
/// Reads a number, a gradient, or a list of filters. `name` is for messages.
Parameter read_parameter(const YamlNode&, const std::string& name, bool strict,
                         Complaints&);
YamlNode node_of(const Parameter&);

/// Is `filter` empty, "*", or a part of `name`?
bool filter_matches(const std::string& filter, std::string_view name);

}  // namespace soup
