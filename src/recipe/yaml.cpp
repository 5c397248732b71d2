#include "recipe/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kMaxText = 4 << 20;
constexpr size_t kMaxNodes = 200'000;  // with what aliases repeat
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
    stack_.clear();
    anchors_.clear();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(start(YamlNode::Kind::kNull, mark), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "an alias of what encloses it");
    nodes_ += count_nodes(found->second);
    check_size(mark);
    if (stack_.size() + depth_of(found->second) > kMaxDepth) {
      fail(mark, "nested too deeply");
    }
    YamlNode copy = found->second;
    copy.line = line_of(mark);
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
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    std::string key = {};
  };

  static int line_of(const YAML::Mark& mark) { return mark.line + 1; }

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) {
    throw Error(where_ + ":" + std::to_string(line_of(mark)) + ": " + what);
  }

  void check_size(const YAML::Mark& mark) {
    if (nodes_ > kMaxNodes) {
      fail(mark, "more than " + std::to_string(kMaxNodes) +
                     " values, with what aliases repeat");
    }
  }

  YamlNode start(YamlNode::Kind kind, const YAML::Mark& mark) {
    ++nodes_;
    check_size(mark);
    YamlNode node;
    node.kind = kind;
    node.line = line_of(mark);
    mark_ = mark;
    return node;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark,
            YAML::anchor_t anchor) {
    if (stack_.size() >= kMaxDepth) fail(mark, "nested too deeply");
    stack_.push_back({start(kind, mark), anchor});
  }

  void close() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.is_list()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      if (!node.is_scalar() && !node.is_null()) {
        fail(mark_, "a key must be plain text");
      }
      if (parent.node.find(node.text) != nullptr) {
        fail(mark_, "'" + printable(node.text) + "' is given twice");
      }
      parent.key = node.text;
      parent.has_key = true;
    } else {
      parent.node.set(std::move(parent.key), std::move(node));
      parent.has_key = false;
    }
  }

  std::string where_;
  YamlNode root_;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  YAML::Mark mark_;
  size_t nodes_ = 0;
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

void YamlNode::set(std::string key, YamlNode value) {
  entries.push_back({std::move(key), std::move(value)});
}

YamlNode YamlNode::string(std::string text) {
  YamlNode node;
  node.kind = Kind::kScalar;
  node.text = std::move(text);
  node.quoted = true;
  return node;
}

YamlNode YamlNode::number(double value) {
  YamlNode node;
  node.kind = Kind::kScalar;
  std::array<char, 32> digits{};
  const auto [end, error] =
      std::to_chars(digits.data(), digits.data() + digits.size(), value);
  node.text.assign(digits.data(), end);
  return node;
}

YamlNode YamlNode::map() {
  YamlNode node;
  node.kind = Kind::kMap;
  return node;
}

YamlNode YamlNode::list() {
  YamlNode node;
  node.kind = Kind::kList;
  return node;
}

std::string describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "'" + printable(node.text.substr(0, 60)) + "'";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
  }
  return {};
}

std::vector<YamlNode> parse_yaml(std::string_view text,
                                 const std::string& where) {
  if (text.size() > kMaxText) {
    throw Error(where + ": a recipe of " + bytes_text(int64_t(text.size())) +
                " is too large, " + bytes_text(kMaxText) + " are the limit");
  }
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
                printable(e.msg));
  }
  return documents;
}

YamlNode node_of_json(const nlohmann::ordered_json& json) {
  if (json.is_null()) return {};
  if (json.is_string()) return YamlNode::string(json.get<std::string>());
  if (json.is_array()) {
    YamlNode node = YamlNode::list();
    for (const auto& item : json) node.items.push_back(node_of_json(item));
    return node;
  }
  if (json.is_object()) {
    YamlNode node = YamlNode::map();
    for (const auto& [key, value] : json.items()) {
      node.set(key, node_of_json(value));
    }
    return node;
  }
  YamlNode node = YamlNode::string(json.dump());
  node.quoted = false;
  return node;
}

nlohmann::ordered_json json_of_node(const YamlNode& node) {
  using nlohmann::ordered_json;
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return nullptr;
    case YamlNode::Kind::kList: {
      ordered_json list = ordered_json::array();
      for (const YamlNode& item : node.items)
        list.push_back(json_of_node(item));
      return list;
    }
    case YamlNode::Kind::kMap: {
      ordered_json map = ordered_json::object();
      for (const auto& [key, value] : node.entries) {
        map[key] = json_of_node(value);
      }
      return map;
    }
    case YamlNode::Kind::kScalar:
      break;
  }
  if (!node.quoted && ordered_json::accept(node.text)) {
    return ordered_json::parse(node.text);
  }
  return node.text;
}

}  // namespace soup
