#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "core/text.h"
#include "recipe/yaml.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kMaxText = 4 << 20;
constexpr size_t kMaxNodes = 200'000;  // with copies for aliases
constexpr size_t kMaxDepth = 60;
constexpr size_t kMaxDocuments = 100;

size_t count_nodes(const YamlNode& node) {
  size_t count = 1;
  for (const YamlNode& item : node.items) count += count_nodes(item);
  for (const auto& [key, value] : node.entries) count += count_nodes(value);
  return count;
}

size_t depth_of(const YamlNode& node) {
  size_t depth = 0;
  for (const YamlNode& i : node.items) depth = std::max(depth, depth_of(i));
  for (const auto& [key, value] : node.entries) {
    depth = std::max(depth, depth_of(value));
  }
  return depth + 1;
}

bool is_null_text(const std::string& text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" ||
         text == "NULL";
}

/// Builds the tree from yaml-cpp's events, so that limits hold while it grows.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(const std::string& where) : where_(where) {}

  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {
    root_ = {};
    open_.clear();
    anchors_.clear();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(start(YamlNode::Kind::kNull, mark), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    mark_ = mark;
    if (found == anchors_.end()) fail("an alias of what encloses it");
    count(count_nodes(found->second));
    if (open_.size() + depth_of(found->second) > kMaxDepth) {
      fail("nested too deeply");
    }
    YamlNode copy = found->second;
    copy.line = line();
    add(std::move(copy), 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& value) override {
    const bool quoted = tag != "?";
    const bool null = !quoted && is_null_text(value);
    YamlNode node =
        start(null ? YamlNode::Kind::kNull : YamlNode::Kind::kScalar, mark);
    node.text = value;
    node.quoted = quoted;
    add(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kList, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&,
                  YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMap, mark, anchor);
  }
  void OnMapEnd() override {
    merge_in(open_.back());
    close();
  }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key = {};
    int key_line = 0;
    std::set<std::string> keys = {};
    std::vector<YamlNode> merged = {};  ///< under `<<`
  };

  int line() const { return mark_.line + 1; }

  [[noreturn]] void fail(int line, const std::string& what) const {
    throw Error(where_ + ":" + std::to_string(line) + ": " + what);
  }
  [[noreturn]] void fail(const std::string& what) const { fail(line(), what); }

  void count(size_t nodes) {
    nodes_ += nodes;
    if (nodes_ <= kMaxNodes) return;
    fail("more than " + std::to_string(kMaxNodes) +
         " values, with what aliases repeat");
  }

  YamlNode start(YamlNode::Kind kind, const YAML::Mark& mark) {
    mark_ = mark;
    count(1);
    YamlNode node;
    node.kind = kind;
    node.line = line();
    return node;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark,
            YAML::anchor_t anchor) {
    open_.push_back({start(kind, mark), anchor});
    if (open_.size() > kMaxDepth) fail("nested too deeply");
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      count(count_nodes(node));
      anchors_[anchor] = node;
      node.anchored = true;
    }
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (Open& parent = open_.back(); parent.node.is_list()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      set_key(parent, node);
    } else {
      set_value(parent, std::move(node));
    }
  }

  void set_key(Open& map, const YamlNode& key) {
    if (!key.is_scalar() && !key.is_null()) fail("a key must be plain text");
    map.key = key.text;
    map.key_line = line();
  }

  void set_value(Open& map, YamlNode value) {
    const std::string key = *std::exchange(map.key, std::nullopt);
    // People give one name to all keys that only carry anchors.
    const bool definition = value.anchored && open_.size() == 1;
    if (!map.keys.insert(key).second && !definition) {
      fail(map.key_line, "'" + printable(key) + "' is given twice");
    }
    if (key == kMerge) {
      map.merged.push_back(std::move(value));
    } else {
      map.node.set(key, std::move(value));
    }
  }

  // YAML 1.1's `<<`: the entries of another map, or of several, that the map
  // does not have itself.
  void merge_in(Open& map) {
    for (YamlNode& value : map.merged) {
      const std::vector<YamlNode> several =
          value.is_list() ? std::move(value.items)
                          : std::vector<YamlNode>{std::move(value)};
      for (const YamlNode& other : several) {
        if (!other.is_map()) fail("'<<' takes a mapping or a list of them");
        for (const auto& [key, entry] : other.entries) {
          if (map.keys.insert(key).second) map.node.set(key, entry);
        }
      }
    }
  }

  static constexpr const char* kMerge = "<<";

  std::string where_;
  YamlNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  YAML::Mark mark_;  // of what was read last
  size_t nodes_ = 0;
};

// A tab in front of line `line`, from 0, which YAML does not take.
bool is_indented_by_tab(std::string_view text, int line) {
  for (; line > 0; --line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  const size_t first = text.find_first_not_of(' ');
  return first != std::string_view::npos && text[first] == '\t';
}

}  // namespace

std::vector<YamlNode> parse_yaml(std::string_view text,
                                 const std::string& where) {
  if (text.size() > kMaxText) {
    throw Error(where + ": a recipe of " + bytes_text(int64_t(text.size())) +
                " is too large, " + bytes_text(kMaxText) + " are the limit");
  }
  if (!is_utf8(text)) throw Error(where + ": is not UTF-8 text");
  std::istringstream in{std::string(text)};
  std::vector<YamlNode> documents;
  try {
    YAML::Parser parser(in);
    Builder builder(where);
    while (parser.HandleNextDocument(builder)) {
      if (documents.size() >= kMaxDocuments) {
        throw Error(where + ": too many documents");
      }
      documents.push_back(builder.take());
    }
  } catch (const YAML::Exception& e) {
    throw Error(where + ":" + std::to_string(e.mark.line + 1) + ": " +
                printable(e.msg) +
                (is_indented_by_tab(text, e.mark.line)
                     ? "; indent it with spaces, not with a tab"
                     : ""));
  }
  return documents;
}

}  // namespace soup
