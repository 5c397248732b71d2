#include "recipe/yaml.h"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/text.h"

namespace soup {

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
