#include "recipe/merge_rules.h"

#include <algorithm>
#include <array>

namespace soup {
namespace {

// The type of an intermediate, the route of embeddings before 2024-07.
constexpr std::array<std::string_view, 2> kIgnored = {"int8_mask",
                                                      "embed_slerp"};

}  // namespace

std::vector<std::string_view> merge_rule_names() {
  std::vector<std::string_view> names;
  for (const Rule& rule : rules()) {
    const bool copies = rule.name == "equal" || rule.name == "first";
    if (rule.makes(DType::kF32) && !copies) names.push_back(rule.name);
  }
  return names;
}

std::vector<std::string_view> merge_parameter_names() {
  std::vector<std::string_view> names = {"weight"};
  for (const Rule& rule : rules()) {
    for (const RuleSetting& setting : rule.settings) {
      if (std::find(names.begin(), names.end(), setting.name) == names.end()) {
        names.push_back(setting.name);
      }
    }
  }
  names.insert(names.end(), kIgnored.begin(), kIgnored.end());
  return names;
}

bool is_ignored_parameter(std::string_view name) {
  return std::find(kIgnored.begin(), kIgnored.end(), name) != kIgnored.end();
}

}  // namespace soup
