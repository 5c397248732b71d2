#include "recipe/merge_config.h"

#include <algorithm>
#include <array>

#include "core/table.h"
#include "core/text.h"
#include "recipe/chat_template.h"
#include "recipe/merge_names.h"
#include "recipe/merge_rules.h"

namespace soup {
namespace {

constexpr std::array<std::string_view, 12> kTopKeys = {
    "models",    "slices",        "modules",   "base_model",
    "dtype",     "merge_method",  "out_dtype", "tokenizer_source",
    "tokenizer", "chat_template", "name",      "parameters"};

struct TypeName {
  std::string_view name;
  std::string_view ours;
};
constexpr std::array kTypes = {
    TypeName{"bfloat16", "bf16"}, TypeName{"float16", "f16"},
    TypeName{"float32", "f32"},   TypeName{"float64", "f64"},
    TypeName{"bf16", "bf16"},     TypeName{"fp16", "f16"},
    TypeName{"f16", "f16"},       TypeName{"fp32", "f32"},
    TypeName{"f32", "f32"},       TypeName{"f64", "f64"}};

class Reader {
 public:
  Reader(Complaints& complaints, std::optional<size_t> strict)
      : complaints_(complaints), names_(config_.models, complaints, strict) {}

  MergeConfig read(const YamlNode& document) {
    if (!document.is_map()) {
      complaints_.add(document.line,
                      "a recipe must be a mapping, not " + describe(document));
      return std::move(config_);
    }
    check_keys(document);
    read_rules(document);
    config_.name = names_.text(document, "name");
    config_.dtype = type(document, "dtype");
    config_.out_dtype = type(document, "out_dtype");
    config_.chat_template = chat_template(document);
    config_.parameters = read_parameters(document, names_, complaints_);
    config_.modules = read_modules(document, names_, complaints_);
    config_.base = names_.model(document, "base_model");
    config_.tokenizer = read_tokenizer_rule(document, names_, complaints_);
    return std::move(config_);
  }

 private:
  void check_keys(const YamlNode& document) {
    for (const auto& [key, value] : document.entries) {
      if (std::find(kTopKeys.begin(), kTopKeys.end(), key) == kTopKeys.end()) {
        // What carries an anchor, for aliases below it, may have any name.
        if (value.anchored) continue;
        complaints_.add(value.line, "unknown key '" + printable(key) + "'" +
                                        suggestion(key, kTopKeys));
      } else if (document.find(key) != &value) {
        complaints_.add(value.line, "'" + key + "' is given twice");
      }
    }
  }

  std::string chat_template(const YamlNode& document) {
    std::string text = names_.text(document, "chat_template");
    if (!text.empty() && !is_chat_template(text)) {
      complaints_.add(document.find("chat_template")->line,
                      "unknown chat_template '" +
                          printable(text.substr(0, 40)) +
                          "'; there is: " + join(chat_template_names(), ", ") +
                          ", or the text of a Jinja template");
    }
    return text;
  }

  std::string type(const YamlNode& node, const char* key) {
    std::string text = names_.text(node, key);
    if (text.empty()) return text;
    std::string_view wanted = text;
    if (wanted.starts_with("torch.")) wanted.remove_prefix(6);
    std::vector<std::string_view> known;
    for (const TypeName& row : kTypes) {
      if (row.name == wanted) return std::string(row.ours);
      known.push_back(row.name);
    }
    complaints_.add(node.find(key)->line,
                    std::string(key) + ": unknown dtype '" + printable(text) +
                        "'" + suggestion(wanted, std::span(known).first(4)));
    return {};
  }

  void read_rule(const YamlNode& node, const std::string& filter) {
    if (!node.is_scalar()) {
      complaints_.add(node.line,
                      "'merge_method' must be a name, not " + describe(node));
      return;
    }
    std::vector<std::string_view> known = merge_rule_names();
    if (std::find(known.begin(), known.end(), node.text) == known.end()) {
      complaints_.add(node.line, "unknown merge_method '" +
                                     printable(node.text) + "'" +
                                     suggestion(node.text, known));
      return;
    }
    config_.rules.push_back(
        {filter == "*" ? "" : filter, node.text, node.line});
  }

  void read_rules(const YamlNode& document) {
    const YamlNode* method = document.find("merge_method");
    if (method == nullptr || method->is_null()) {
      complaints_.add(document.line, "'merge_method' is missing");
      return;
    }
    if (!method->is_list()) return read_rule(*method, "");
    for (const YamlNode& item : method->items) {
      const YamlNode* filter = item.find("filter");
      const YamlNode* value = item.find("value");
      if (value == nullptr || (filter != nullptr && !filter->is_scalar())) {
        complaints_.add(item.line,
                        "a list of merge methods holds {filter: part of a "
                        "name, value: method}");
        continue;
      }
      read_rule(*value, filter == nullptr ? "" : filter->text);
    }
    if (complaints_.empty() &&
        (config_.rules.empty() || !config_.rules.back().filter.empty())) {
      complaints_.add(method->line,
                      "'merge_method' must end with a method without filter");
    }
  }

  MergeConfig config_;
  Complaints& complaints_;
  NameReader names_;
};

}  // namespace

MergeConfig read_merge_config(const YamlNode& document, Complaints& complaints,
                              std::optional<size_t> strict_models) {
  return Reader(complaints, strict_models).read(document);
}

}  // namespace soup
