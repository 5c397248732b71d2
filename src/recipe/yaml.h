#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

/// YAML and JSON as one plain tree with line numbers, for readers that report
/// every mistake with its place.
namespace soup {

/// A value of a document.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;
  Kind kind = Kind::kNull;
  int line = 0;                 ///< from 1; 0: unknown
  std::string text;             ///< of a scalar
  bool quoted = false;          ///< a scalar that can only be a string
  bool anchored = false;        ///< has an anchor, for aliases
  std::vector<YamlNode> items;  ///< of a list
  std::vector<Entry> entries;   ///< of a map

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  /// The entry called `key`, or null.
  const YamlNode* find(std::string_view key) const;
  /// Adds to a map.
  void set(std::string key, YamlNode value);

  static YamlNode string(std::string text);
  static YamlNode number(double value);
  static YamlNode map();
  static YamlNode list();
};

struct YamlNode::Entry {
  std::string key;
  YamlNode value;
};

/// "a list", "the text 'abc'", ...: for messages.
std::string describe(const YamlNode&);

/// The documents of a YAML text, with YAML 1.1's `<<`. Text, nesting and what
/// aliases grow to are bounded; a key given twice is an error, unless it is one
/// of the document's that has an anchor.
/// Throws Error with `where` and the line.
std::vector<YamlNode> parse_yaml(std::string_view text,
                                 const std::string& where);

/// The same tree of JSON, without lines.
YamlNode node_of_json(const nlohmann::ordered_json&);
/// JSON of a tree: scalars that are not quoted become numbers and truths.
nlohmann::ordered_json json_of_node(const YamlNode&);

}  // namespace soup
