#pragma once

#include <string>
#include <vector>

#include "soup/recipe.h"

/// What a recipe tells a rule, checked against the rule's row.
namespace soup {

/// Settings of `rule` with defaults filled in. Mistakes (unknown names, missing
/// ones, values out of range) are added to `mistakes`, each starting with
/// `where`. Settings that are per model are taken out: they are defaults for
/// model_settings().
Settings rule_settings(const Rule& rule, const Settings& given,
                       const std::string& where,
                       std::vector<std::string>& mistakes);
/// The same for one model: what `given` does not have comes from `shared` (the
/// recipe's settings), then from the rule's defaults.
Settings model_settings(const Rule& rule, const Settings& given,
                        const Settings& shared, const std::string& where,
                        std::vector<std::string>& mistakes);
/// Number of inputs (with the base, if any) and presence of the base.
void check_inputs(const Rule& rule, size_t inputs, bool has_base,
                  const std::string& where, std::vector<std::string>& mistakes);

/// Of a model or of one of its tensors.
void check_weight(const Rule& rule, double weight, const std::string& where,
                  std::vector<std::string>& mistakes);

struct FilledSettings {
  Settings rule;
  std::vector<Settings> models;  ///< by ingredient; empty for the base
};
/// Throws UsageError with everything that is wrong.
FilledSettings fill_settings(const Recipe& recipe, const Rule& rule);

}  // namespace soup
