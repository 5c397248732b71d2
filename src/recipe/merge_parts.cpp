#include <array>
#include <cmath>
#include <set>

#include "core/table.h"
#include "core/text.h"
#include "recipe/merge_names.h"
#include "recipe/merge_rules.h"

// The parts of a merge recipe: modules, slices, their sources and parameters.

namespace soup {
namespace {

constexpr std::array<std::string_view, 2> kModelKeys = {"model", "parameters"};
constexpr std::array<std::string_view, 3> kSourceKeys = {"model", "layer_range",
                                                         "parameters"};
constexpr std::array<std::string_view, 4> kSliceKeys = {
    "sources", "base_model", "residual_weight", "parameters"};
constexpr std::array<std::string_view, 3> kModuleKeys = {"models", "slices",
                                                         "parameters"};

class PartReader {
 public:
  PartReader(NameReader& names, Complaints& complaints)
      : names_(names), complaints_(complaints) {}

  std::vector<MergeModule> read(const YamlNode& document) {
    std::vector<MergeModule> modules;
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
      modules.push_back({.name = "", .slices = {}, .line = document.line});
      read_part(document, modules.back());
      return modules;
    }
    const YamlNode& given_modules = *document.find("modules");
    if (!given_modules.is_map()) {
      complaints_.add(given_modules.line, "'modules' must be a mapping, not " +
                                              describe(given_modules));
      return modules;
    }
    if (given_modules.entries.empty()) {
      complaints_.add(given_modules.line, "'modules' names none");
    }
    for (const auto& [name, node] : given_modules.entries) {
      MergeModule module = {.name = name, .slices = {}, .line = node.line};
      names_.check_keys(node, kModuleKeys, "modules");
      module.parameters = read_parameters(node, names_, complaints_);
      read_part(node, module);
      if (module.slices.empty()) {
        complaints_.add(node.line, "module '" + printable(name) +
                                       "' has neither 'models' nor 'slices'");
      }
      modules.push_back(std::move(module));
    }
    return modules;
  }

 private:
  static bool is_given(const YamlNode& node, std::string_view key) {
    const YamlNode* found = node.find(key);
    return found != nullptr && !found->is_null() &&
           !(found->is_list() && found->items.empty());
  }

  std::optional<LayerRange> range(const YamlNode& source) {
    const YamlNode* node = source.find("layer_range");
    if (node == nullptr || node->is_null()) return std::nullopt;
    LayerRange layers = {0, 0};
    bool good = node->is_list() && node->items.size() == 2;
    for (size_t i = 0; good && i < 2; ++i) {
      const auto value = read_number(node->items[i], names_.strict());
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
    if (list.items.empty()) {
      complaints_.add(list.line, std::string("'") + what + "' names no model");
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
        const YamlNode* name = item.find("model");
        if (name == nullptr || name->is_null()) {
          complaints_.add(item.line, "'model' is missing");
        }
        continue;
      }
      source.model = *model;
      source.layers = range(item);
      source.parameters = read_parameters(item, names_, complaints_);
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
    read.parameters = read_parameters(node, names_, complaints_);
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
          {.sources = sources(
               list,
               names_.strict() ? std::span<const std::string_view>(kModelKeys)
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
    std::set<std::pair<size_t, std::optional<LayerRange>>> known;
    for (const MergeSource& source : read.sources) {
      if (known.insert({source.model, source.layers}).second) continue;
      complaints_.add(source.line,
                      "the same model twice; add its weights instead");
    }
  }

  NameReader& names_;
  Complaints& complaints_;
};

}  // namespace

Parameters read_parameters(const YamlNode& node, NameReader& names,
                           Complaints& complaints) {
  Parameters read;
  const YamlNode* given = node.find("parameters");
  if (given == nullptr || given->is_null()) return read;
  if (!given->is_map()) {
    complaints.add(given->line,
                   "'parameters' must be a mapping, not " + describe(*given));
    return read;
  }
  const std::vector<std::string_view> known = merge_parameter_names();
  for (const auto& [name, value] : given->entries) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      complaints.add(value.line, "unknown parameter '" + printable(name) + "'" +
                                     suggestion(name, known));
    } else if (!value.is_null() && !is_ignored_parameter(name)) {
      read[name] = read_parameter(value, name, names.strict(), complaints);
    }
  }
  return read;
}

std::vector<MergeModule> read_modules(const YamlNode& document,
                                      NameReader& names,
                                      Complaints& complaints) {
  return PartReader(names, complaints).read(document);
}

}  // namespace soup
