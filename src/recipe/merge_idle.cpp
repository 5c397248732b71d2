#include "recipe/merge_idle.h"

#include <algorithm>
#include <set>

#include "core/table.h"
#include "core/text.h"

namespace soup {
namespace {

// At every level of the recipe.
std::vector<const Parameters*> all_parameters(const MergeConfig& config) {
  std::vector<const Parameters*> all = {&config.parameters};
  for (const MergeModule& module : config.modules) {
    all.push_back(&module.parameters);
    for (const MergeSlice& slice : module.slices) {
      all.push_back(&slice.parameters);
      for (const MergeSource& s : slice.sources) all.push_back(&s.parameters);
    }
  }
  return all;
}

std::string place_of(const MergeConfig& config, const Choice& choice) {
  return choice.line > 0
             ? config.where + ":" + std::to_string(choice.line) + ": "
             : "";
}

bool matches_somewhere(const Choice& choice, const Plan& plan) {
  return std::any_of(plan.tensors.begin(), plan.tensors.end(),
                     [&](const PlannedTensor& tensor) {
                       return filter_matches(choice.filter, tensor.out.name);
                     });
}

// What the rules of a recipe are told.
std::set<std::string_view> known_parameters(const MergeConfig& config) {
  std::set<std::string_view> known;
  for (const NamedChoice& choice : config.rules) {
    const Rule& rule = find_row(rules(), choice.value, "rule");
    if (rule.weighted) known.insert("weight");
    for (const RuleSetting& setting : rule.settings) known.insert(setting.name);
  }
  return known;
}

void warn_of_filter(const MergeConfig& config, const Choice& choice,
                    Plan& plan) {
  // An entry after one that always matches is never asked.
  if (choice.filter.empty() || choice.used) return;
  if (matches_somewhere(choice, plan)) return;
  plan.notices.push_back(place_of(config, choice) + "the filter '" +
                         printable(choice.filter) +
                         "' matches no tensor's name");
}

}  // namespace

void warn_of_idle(const MergeConfig& config, Plan& plan) {
  const std::set<std::string_view> known = known_parameters(config);
  std::set<std::string> said;
  for (const Parameters* level : all_parameters(config)) {
    for (const auto& [name, parameter] : *level) {
      if (parameter.choices.empty()) continue;
      if (!known.contains(name)) {
        if (!said.insert(name).second) continue;
        plan.notices.push_back(place_of(config, parameter.choices.front()) +
                               "'" + name + "' has no effect: " +
                               (config.rules.size() == 1
                                    ? config.rules.front().value + " has"
                                    : "the recipe's methods have") +
                               " no such parameter");
        continue;
      }
      for (const Choice& choice : parameter.choices) {
        warn_of_filter(config, choice, plan);
      }
    }
  }
}

}  // namespace soup
