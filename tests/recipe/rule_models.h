#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "recipe/values.h"
#include "soup/error.h"

/// Small models and recipes over them for tests of rules.
namespace soup::testing {

inline constexpr int64_t kRows = 40;
inline constexpr int64_t kColumns = 30;

// Models of which the first is the base, where the rule uses one.
inline size_t model_count(const Rule& rule) {
  const size_t donors =
      std::min<size_t>(std::max<size_t>(rule.least, 3), rule.most);
  return donors + (rule.base == BaseModel::kIgnored ? 0 : 1);
}

inline Recipe recipe_for(const Rule& rule, const Models& models) {
  Recipe recipe = recipe_of(models);
  recipe.rule = rule.name;
  if (rule.base != BaseModel::kIgnored) recipe.base = 0;
  for (const RuleSetting& setting : rule.settings) {
    if (setting.name == "t") recipe.settings["t"] = 0.4;
    if (setting.name == "density") recipe.settings["density"] = 0.6;
  }
  return recipe;
}

inline std::vector<double> base_values(size_t n) {
  return random_weights(n, 77);
}

// Fine-tunes of base_values().
inline Models tunes(size_t count, DType dtype, int64_t rows = kRows,
                    int64_t columns = kColumns) {
  const auto n = static_cast<size_t>(rows * columns);
  Models models;
  for (size_t k = 0; k < count; ++k) {
    std::vector<double> values = base_values(n);
    const std::vector<double> change = random_weights(n, 100 + k);
    for (size_t i = 0; k > 0 && i < n; ++i) values[i] += 0.2 * change[i];
    models.push_back(
        checkpoint("m" + std::to_string(k),
                   {floats("layers.0.w", dtype, values, {rows, columns})}));
  }
  return models;
}

inline std::vector<std::byte> make(const Recipe& recipe, const Models& models,
                                   int threads = 1) {
  return mix_all(recipe, models, {.threads = threads}).values.front();
}

inline Recipe with(const Rule& rule, const Models& models,
                   const Settings& settings) {
  Recipe recipe = recipe_for(rule, models);
  recipe.settings.insert(settings.begin(), settings.end());
  for (const auto& [name, value] : settings) recipe.settings[name] = value;
  return recipe;
}

inline const Rule& rule(const std::string& name) {
  for (const Rule& row : rules()) {
    if (row.name == name) return row;
  }
  throw std::logic_error(name);
}

inline std::vector<std::byte> bytes(const Models& models, size_t k) {
  const TensorData data = models[k]->read(0);
  return {data.bytes().begin(), data.bytes().end()};
}

inline std::string mistakes(const Recipe& recipe, const Models& models) {
  try {
    make_plan(recipe, pointers(models));
  } catch (const UsageError& e) {
    return e.what();
  }
  return "none";
}

}  // namespace soup::testing
