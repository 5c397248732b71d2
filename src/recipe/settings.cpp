#include "recipe/settings.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "core/table.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

std::string range(const RuleSetting& s) {
  const std::string what = s.whole ? "a whole number" : "a number";
  const bool below = std::isfinite(s.least);
  const bool above = std::isfinite(s.most);
  if (s.whole && s.least == 0 && s.most == 1) return "true or false (1 or 0)";
  if (below && above) {
    return what + " from " + number(s.least) + " to " + number(s.most);
  }
  if (below) return what + " of at least " + number(s.least);
  return above ? what + " of at most " + number(s.most) : what;
}

void check_value(const RuleSetting& s, double value, const std::string& where,
                 std::vector<std::string>& mistakes) {
  const bool good = std::isfinite(value) && value >= s.least &&
                    value <= s.most && (!s.whole || value == std::trunc(value));
  if (good) return;
  mistakes.push_back(where + ": " + std::string(s.name) + " is " +
                     number(value) + ", expected " + range(s));
}

void check_names(const Rule& rule, const Settings& given, bool models_only,
                 const std::string& where, std::vector<std::string>& mistakes) {
  std::vector<std::string_view> names;
  for (const RuleSetting& s : rule.settings) {
    if (s.per_model || !models_only) names.push_back(s.name);
  }
  for (const auto& [name, value] : given) {
    bool known = false;
    for (const RuleSetting& s : rule.settings) {
      if (s.name != name || (models_only && !s.per_model)) continue;
      known = true;
      check_value(s, value, where, mistakes);
    }
    if (known) continue;
    mistakes.push_back(
        where + ": rule '" + std::string(rule.name) + "' has no " +
        (models_only ? "setting of a model" : "setting") + " '" +
        printable(name) + "'" + (names.empty() ? "" : suggestion(name, names)));
  }
}

// Fills in the settings of one kind.
Settings fill(const Rule& rule, bool per_model, const Settings& given,
              const Settings& shared, const std::string& where,
              std::vector<std::string>& mistakes) {
  Settings all;
  for (const RuleSetting& s : rule.settings) {
    if (s.per_model != per_model) continue;
    const std::string name(s.name);
    if (const auto own = given.find(name); own != given.end()) {
      all[name] = own->second;
    } else if (const auto common = shared.find(name); common != shared.end()) {
      all[name] = common->second;
    } else if (s.otherwise) {
      all[name] = *s.otherwise;
    } else {
      mistakes.push_back(where + ": rule '" + std::string(rule.name) +
                         "' needs '" + name + "', " + range(s));
    }
  }
  return all;
}

std::string models(size_t n) {
  return std::to_string(n) + (n == 1 ? " model" : " models");
}

}  // namespace

Settings rule_settings(const Rule& rule, const Settings& given,
                       const std::string& where,
                       std::vector<std::string>& mistakes) {
  check_names(rule, given, false, where, mistakes);
  return fill(rule, false, given, {}, where, mistakes);
}

Settings model_settings(const Rule& rule, const Settings& given,
                        const Settings& shared, const std::string& where,
                        std::vector<std::string>& mistakes) {
  check_names(rule, given, true, where, mistakes);
  const size_t before = mistakes.size();
  Settings all = fill(rule, true, given, shared, where, mistakes);
  if (rule.check != nullptr && mistakes.size() == before) {
    rule.check(all, where, mistakes);
  }
  return all;
}

void check_inputs(const Rule& rule, size_t inputs, bool has_base,
                  const std::string& where,
                  std::vector<std::string>& mistakes) {
  const std::string name = where + ": rule '" + std::string(rule.name) + "' ";
  if (rule.base == BaseModel::kNeeded && !has_base) {
    mistakes.push_back(name +
                       "needs a base model: 'base_model' in YAML, "
                       "\"base\": true in JSON");
  }
  const bool apart = has_base && rule.base != BaseModel::kIgnored;
  const size_t count = inputs - (apart ? 1 : 0);
  const std::string beside = apart ? " beside the base" : "";
  if (count < rule.least) {
    mistakes.push_back(name + "needs at least " + models(rule.least) + beside +
                       ", found " + std::to_string(count));
  } else if (count > rule.most) {
    mistakes.push_back(name + "takes " + models(rule.most) + beside +
                       ", found " + std::to_string(count));
  }
  if (rule.has_companions && count % 2 != 0) {
    mistakes.push_back(name + "needs as many diagonals as models, found " +
                       std::to_string(count) + " files in all");
  }
}

void check_weight(const Rule& rule, double weight, const std::string& where,
                  std::vector<std::string>& mistakes) {
  const std::string name = "'" + std::string(rule.name) + "'";
  if (!rule.weighted && weight != 1) {
    mistakes.push_back(where + ": rule " + name + " has no use for a weight");
  } else if (weight < rule.least_weight) {
    mistakes.push_back(where + ": the weight is " + number(weight) + ", rule " +
                       name + " wants at least " + number(rule.least_weight));
  }
}

FilledSettings fill_settings(const Recipe& recipe, const Rule& rule) {
  std::vector<std::string> mistakes;
  FilledSettings filled;
  if (recipe.base && rule.base == BaseModel::kIgnored) {
    mistakes.push_back("recipe: rule '" + std::string(rule.name) +
                       "' has no use for a base model");
  }
  if (recipe.numerics == Numerics::kMergekit && !rule.per_op) {
    mistakes.push_back(
        "recipe: numerics 'mergekit' are for linear and rules "
        "on task vectors, not for '" +
        std::string(rule.name) + "'");
  }
  check_inputs(rule, recipe.ingredients.size(), recipe.base.has_value(),
               "recipe", mistakes);
  filled.rule = rule_settings(rule, recipe.settings, "recipe", mistakes);
  for (size_t k = 0; k < recipe.ingredients.size(); ++k) {
    const Ingredient& ingredient = recipe.ingredients[k];
    const std::string where = ingredient.path.string();
    if (rule.base != BaseModel::kIgnored && k == recipe.base) {
      if (!ingredient.settings.empty() || ingredient.weight != 1) {
        mistakes.push_back(where +
                           ": the base has neither settings nor weight");
      }
      filled.models.emplace_back();
      continue;
    }
    check_weight(rule, ingredient.weight, where, mistakes);
    for (const auto& [name, weight] : ingredient.tensor_weights) {
      check_weight(rule, weight, where + ": '" + printable(name) + "'",
                   mistakes);
    }
    filled.models.push_back(model_settings(rule, ingredient.settings,
                                           recipe.settings, where, mistakes));
  }
  if (mistakes.empty()) return filled;
  if (mistakes.size() == 1) throw UsageError(mistakes.front());
  constexpr size_t kMost = 40;
  if (mistakes.size() > kMost) {
    mistakes.resize(kMost);
    mistakes.emplace_back("...");
  }
  throw UsageError("the recipe cannot be mixed:\n  " + join(mistakes, "\n  "));
}

}  // namespace soup
