#include "recipe/merge_config.h"
#include "recipe/merge_names.h"

// The strict form of a merge recipe: what its JSON says.

namespace soup {
namespace {

YamlNode index(size_t model) {
  return YamlNode::number(static_cast<double>(model));
}

void set_parameters(YamlNode& node, const Parameters& parameters) {
  if (parameters.empty()) return;
  YamlNode map = YamlNode::map();
  for (const auto& [name, parameter] : parameters) {
    map.set(name, node_of(parameter));
  }
  node.set("parameters", std::move(map));
}

YamlNode node_of(const MergeSource& source) {
  YamlNode node = YamlNode::map();
  node.set("model", index(source.model));
  if (source.layers) {
    YamlNode range = YamlNode::list();
    for (int64_t layer : *source.layers) {
      range.items.push_back(YamlNode::number(static_cast<double>(layer)));
    }
    node.set("layer_range", std::move(range));
  }
  set_parameters(node, source.parameters);
  return node;
}

YamlNode list_of(const std::vector<MergeSource>& sources) {
  YamlNode list = YamlNode::list();
  for (const MergeSource& s : sources) list.items.push_back(node_of(s));
  return list;
}

YamlNode node_of(const MergeSlice& slice) {
  YamlNode node = YamlNode::map();
  node.set("sources", list_of(slice.sources));
  if (slice.base) node.set("base_model", index(*slice.base));
  set_parameters(node, slice.parameters);
  return node;
}

void set_part(YamlNode& node, const MergeModule& module) {
  if (module.whole) {
    node.set("models", list_of(module.slices.front().sources));
    return;
  }
  YamlNode list = YamlNode::list();
  for (const MergeSlice& slice : module.slices) {
    list.items.push_back(node_of(slice));
  }
  node.set("slices", std::move(list));
}

YamlNode node_of(const std::vector<NamedChoice>& rules) {
  if (rules.size() == 1) return YamlNode::string(rules.front().value);
  YamlNode list = YamlNode::list();
  for (const NamedChoice& rule : rules) {
    YamlNode entry = YamlNode::map();
    if (!rule.filter.empty())
      entry.set("filter", YamlNode::string(rule.filter));
    entry.set("value", YamlNode::string(rule.value));
    list.items.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

YamlNode node_of(const MergeConfig& config) {
  YamlNode node = YamlNode::map();
  node.set("merge_method", node_of(config.rules));
  if (config.base) node.set("base_model", index(*config.base));
  if (config.modules.size() == 1 && config.modules.front().name.empty()) {
    set_part(node, config.modules.front());
  } else {
    YamlNode modules = YamlNode::map();
    for (const MergeModule& module : config.modules) {
      YamlNode entry = YamlNode::map();
      set_part(entry, module);
      set_parameters(entry, module.parameters);
      modules.set(module.name, std::move(entry));
    }
    node.set("modules", std::move(modules));
  }
  set_parameters(node, config.parameters);
  if (config.tokenizer) node.set("tokenizer", node_of(*config.tokenizer));
  const auto set_text = [&](const char* key, const std::string& text) {
    if (!text.empty()) node.set(key, YamlNode::string(text));
  };
  set_text("dtype", config.dtype);
  set_text("out_dtype", config.out_dtype);
  set_text("chat_template", config.chat_template);
  return node;
}

}  // namespace soup
