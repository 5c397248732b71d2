#include "recipe/merge_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/table.h"
#include "core/text.h"
#include "recipe/merge_names.h"
#include "recipe/merge_rules.h"
#include "recipe/promote.h"
#include "soup/recipe.h"

namespace soup {
namespace {

constexpr std::array<std::string_view, 12> kTopKeys = {
    "models",    "slices",        "modules",   "base_model",
    "dtype",     "merge_method",  "out_dtype", "tokenizer_source",
    "tokenizer", "chat_template", "name",      "parameters"};
constexpr std::array<std::string_view, 2> kModelKeys = {"model", "parameters"};
constexpr std::array<std::string_view, 3> kSourceKeys = {"model", "layer_range",
                                                         "parameters"};
constexpr std::array<std::string_view, 4> kSliceKeys = {
    "sources", "base_model", "residual_weight", "parameters"};
constexpr std::array<std::string_view, 3> kModuleKeys = {"models", "slices",
                                                         "parameters"};

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
      : complaints_(complaints),
        strict_(strict),
        names_(config_.models, complaints, strict) {}

  MergeConfig read(const YamlNode& document) {
    if (!document.is_map()) {
      complaints_.add(document.line,
                      "a recipe must be a mapping, not " + describe(document));
      return std::move(config_);
    }
    names_.check_keys(document, kTopKeys, "");
    read_rules(document);
    config_.name = names_.text(document, "name");
    config_.dtype = type(document, "dtype");
    config_.out_dtype = type(document, "out_dtype");
    config_.chat_template = names_.text(document, "chat_template");
    config_.parameters = parameters(document);
    read_parts(document);
    config_.base = names_.model(document, "base_model");
    config_.tokenizer = read_tokenizer_rule(document, names_, complaints_);
    return std::move(config_);
  }

 private:
  static bool is_given(const YamlNode& node, std::string_view key) {
    const YamlNode* found = node.find(key);
    return found != nullptr && !found->is_null() &&
           !(found->is_list() && found->items.empty());
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

  Parameters parameters(const YamlNode& node) {
    Parameters read;
    const YamlNode* given = node.find("parameters");
    if (given == nullptr || given->is_null()) return read;
    if (!given->is_map()) {
      complaints_.add(given->line, "'parameters' must be a mapping, not " +
                                       describe(*given));
      return read;
    }
    const std::vector<std::string_view> known = merge_parameter_names();
    for (const auto& [name, value] : given->entries) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        complaints_.add(value.line, "unknown parameter '" + printable(name) +
                                        "'" + suggestion(name, known));
      } else if (!value.is_null() && !is_ignored_parameter(name)) {
        read[name] =
            read_parameter(value, name, strict_.has_value(), complaints_);
      }
    }
    return read;
  }

  std::optional<LayerRange> range(const YamlNode& source) {
    const YamlNode* node = source.find("layer_range");
    if (node == nullptr || node->is_null()) return std::nullopt;
    LayerRange layers = {0, 0};
    bool good = node->is_list() && node->items.size() == 2;
    for (size_t i = 0; good && i < 2; ++i) {
      const auto value = read_number(node->items[i], strict_.has_value());
      good = value && *value == std::trunc(*value) && std::fabs(*value) < 1e6;
      if (good) layers[i] = static_cast<int64_t>(*value);
    }
    if (!good) {
      complaints_.add(node->line,
                      "'layer_range' must be two whole numbers [begin, end)");
      return std::nullopt;
    }
    if (layers[0] < 0 || layers[1] <= layers[0]) {
      complaints_.add(node->line,
                      "layer_range [" + std::to_string(layers[0]) + ", " +
                          std::to_string(layers[1]) +
                          "] holds no layer; the second number is the first "
                          "layer that is left out");
      return std::nullopt;
    }
    return layers;
  }

  std::vector<MergeSource> sources(const YamlNode& list,
                                   std::span<const std::string_view> keys,
                                   const char* what) {
    std::vector<MergeSource> read;
    if (!list.is_list()) {
      complaints_.add(list.line, std::string("'") + what +
                                     "' must be a list, not " + describe(list));
      return read;
    }
    for (const YamlNode& item : list.items) {
      MergeSource source = {.line = item.line};
      if (!item.is_map()) {
        complaints_.add(item.line, std::string("an entry of '") + what +
                                       "' must be a mapping with 'model', "
                                       "not " +
                                       describe(item));
        continue;
      }
      names_.check_keys(item, keys, what);
      const std::optional<size_t> model = names_.model(item, "model");
      if (!model) {
        if (item.find("model") == nullptr) {
          complaints_.add(item.line, "'model' is missing");
        }
        continue;
      }
      source.model = *model;
      source.layers = range(item);
      source.parameters = parameters(item);
      read.push_back(std::move(source));
    }
    return read;
  }

  MergeSlice slice(const YamlNode& node) {
    MergeSlice read = {.sources = {}, .line = node.line};
    if (!node.is_map() || node.find("sources") == nullptr) {
      complaints_.add(node.line, "a slice must be a mapping with 'sources'");
      return read;
    }
    names_.check_keys(node, kSliceKeys, "slices");
    read.sources = sources(*node.find("sources"), kSourceKeys, "sources");
    read.base = names_.model(node, "base_model");
    read.parameters = parameters(node);
    check_lengths(read);
    return read;
  }

  void check_lengths(const MergeSlice& read) {
    for (const MergeSource& source : read.sources) {
      const auto& first = read.sources.front().layers;
      if (source.layers.has_value() != first.has_value() ||
          (first && (*source.layers)[1] - (*source.layers)[0] !=
                        (*first)[1] - (*first)[0])) {
        complaints_.add(source.line,
                        "all sources of a slice must have the same number of "
                        "layers, this one has another than the first");
      }
    }
  }

  // `models` or `slices` of a recipe or module.
  void read_part(const YamlNode& node, MergeModule& module) {
    if (is_given(node, "models")) {
      const YamlNode& list = *node.find("models");
      module.whole = true;
      module.slices.push_back(
          {.sources =
               sources(list,
                       strict_ ? std::span<const std::string_view>(kModelKeys)
                               : kModelKeys,
                       "models"),
           .line = list.line});
      check_twice(module.slices.front());
    } else if (is_given(node, "slices")) {
      const YamlNode& list = *node.find("slices");
      if (!list.is_list()) {
        complaints_.add(list.line,
                        "'slices' must be a list, not " + describe(list));
        return;
      }
      for (const YamlNode& item : list.items) {
        module.slices.push_back(slice(item));
        check_twice(module.slices.back());
      }
    }
  }

  // The same layers of the same model twice in one mean.
  void check_twice(const MergeSlice& read) {
    for (size_t i = 0; i < read.sources.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (read.sources[i].model != read.sources[j].model ||
            read.sources[i].layers != read.sources[j].layers) {
          continue;
        }
        complaints_.add(read.sources[i].line,
                        "the same model twice; add its weights instead");
      }
    }
  }

  void read_parts(const YamlNode& document) {
    size_t given = 0;
    for (const char* key : {"models", "slices", "modules"}) {
      given += is_given(document, key) ? 1 : 0;
    }
    if (given != 1) {
      complaints_.add(document.line,
                      given == 0
                          ? "one of 'models', 'slices' and 'modules' is needed"
                          : "only one of 'models', 'slices' and 'modules' can "
                            "be given");
    }
    if (!is_given(document, "modules")) {
      config_.modules.push_back(
          {.name = "", .slices = {}, .line = document.line});
      read_part(document, config_.modules.back());
      return;
    }
    const YamlNode& modules = *document.find("modules");
    if (!modules.is_map()) {
      complaints_.add(modules.line,
                      "'modules' must be a mapping, not " + describe(modules));
      return;
    }
    for (const auto& [name, node] : modules.entries) {
      MergeModule module = {.name = name, .slices = {}, .line = node.line};
      names_.check_keys(node, kModuleKeys, "modules");
      module.parameters = parameters(node);
      read_part(node, module);
      if (module.slices.empty()) {
        complaints_.add(node.line, "module '" + printable(name) +
                                       "' has neither 'models' nor 'slices'");
      }
      config_.modules.push_back(std::move(module));
    }
  }

  MergeConfig config_;
  Complaints& complaints_;
  std::optional<size_t> strict_;
  NameReader names_;
};

}  // namespace

std::string text_of(const ModelName& name) {
  std::string text = name.model;
  if (!name.revision.empty()) text += "@" + name.revision;
  if (!name.adapter.empty()) text += "+" + name.adapter;
  if (!name.adapter_revision.empty()) text += "@" + name.adapter_revision;
  return text;
}

MergeConfig read_merge_config(const YamlNode& document, Complaints& complaints,
                              std::optional<size_t> strict_models) {
  return Reader(complaints, strict_models).read(document);
}

}  // namespace soup
