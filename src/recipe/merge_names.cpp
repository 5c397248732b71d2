#include "recipe/merge_names.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/table.h"
#include "core/text.h"

namespace soup {
namespace {

constexpr std::array<std::string_view, 3> kReferenceKeys = {
    "model", "lora", "override_architecture"};

// `text` as name and revision. False for two '@'.
bool split_revision(const std::string& text, std::string& name,
                    std::string& revision) {
  const size_t at = text.find('@');
  name = text.substr(0, at);
  if (at == std::string::npos) return true;
  revision = text.substr(at + 1);
  return revision.find('@') == std::string::npos;
}

}  // namespace

void NameReader::check_keys(const YamlNode& map,
                            std::span<const std::string_view> keys,
                            const std::string& place) {
  for (const auto& [key, value] : map.entries) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    complaints_.add(value.line, place + ": unknown key '" + printable(key) +
                                    "'" + suggestion(key, keys));
  }
}

std::string NameReader::text(const YamlNode& map, const char* key) {
  const YamlNode* node = map.find(key);
  if (node == nullptr || node->is_null()) return {};
  if (!node->is_scalar()) {
    complaints_.add(node->line, std::string("'") + key +
                                    "' must be text, not " + describe(*node));
    return {};
  }
  return node->text;
}

std::optional<size_t> NameReader::model(const YamlNode& map, const char* key) {
  const YamlNode* node = map.find(key);
  if (node == nullptr || node->is_null()) return std::nullopt;
  return model(*node);
}

std::optional<size_t> NameReader::model(const YamlNode& reference) {
  if (strict_) return index(reference);
  const std::optional<ModelName> name = parse(reference);
  if (!name) return std::nullopt;
  const auto found = std::find(models_.begin(), models_.end(), *name);
  const auto place = static_cast<size_t>(found - models_.begin());
  if (found == models_.end()) models_.push_back(*name);
  return place;
}

std::optional<size_t> NameReader::index(const YamlNode& reference) {
  const std::optional<double> value = read_number(reference, true);
  if (!value || *value < 0 || *value != std::trunc(*value) ||
      *value >= static_cast<double>(*strict_)) {
    complaints_.add(reference.line,
                    "a model must be the index of an ingredient, below " +
                        std::to_string(*strict_) + ", not " +
                        describe(reference));
    return std::nullopt;
  }
  return static_cast<size_t>(*value);
}

std::optional<ModelName> NameReader::parse(const YamlNode& reference) {
  ModelName name = {.line = reference.line};
  std::string text = reference.text;
  std::string adapter;
  if (reference.is_map()) {
    check_keys(reference, kReferenceKeys, "model");
    const auto part = [&](const char* key) -> std::string {
      const YamlNode* node = reference.find(key);
      if (node == nullptr || !node->is_map()) return this->text(reference, key);
      // mergekit's own dumps: {path: ..., revision: ...}
      const std::string revision = this->text(*node, "revision");
      return this->text(*node, "path") +
             (revision.empty() ? "" : "@" + revision);
    };
    text = part("model");
    adapter = part("lora");
  } else if (!reference.is_scalar()) {
    complaints_.add(reference.line, "a model must be a path or an id, not " +
                                        describe(reference));
    return std::nullopt;
  } else if (const size_t plus = text.find('+'); plus != std::string::npos) {
    adapter = text.substr(plus + 1);
    text.resize(plus);
  }
  const bool good =
      split_revision(text, name.model, name.revision) &&
      split_revision(adapter, name.adapter, name.adapter_revision);
  while (name.model.size() > 1 && name.model.ends_with('/')) {
    name.model.pop_back();  // two spellings of one model
  }
  if (name.model.starts_with("./")) name.model.erase(0, 2);
  if (good && !name.model.empty() &&
      name.model.find('\0') == std::string::npos) {
    return name;
  }
  complaints_.add(reference.line, describe(reference) +
                                      " is no model; write "
                                      "model[@revision][+adapter[@revision]]");
  return std::nullopt;
}

}  // namespace soup
