#include "recipe/joined_config.h"

#include <algorithm>
#include <array>

#include "core/json.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

// What decides which modules of a model an adapter is put into.
constexpr std::array kChoices = {"target_modules", "exclude_modules",
                                 "layers_to_transform", "layers_pattern"};
// How the factors of a new adapter begin: these are trained.
constexpr std::array kStarts = {"loftq_config", "eva_config", "corda_config",
                                "lora_ga_config"};

// The value under `key`; PEFT writes sets as lists in any order.
ordered_json choice(const Adapter& adapter, const char* key) {
  const ordered_json& json = adapter.config().json();
  if (!adapter.config().is_set(key)) return nullptr;
  ordered_json value = json[key];
  if (value.is_array()) std::sort(value.begin(), value.end());
  return value;
}

bool choose_alike(const std::vector<Adapter>& adapters) {
  return std::all_of(kChoices.begin(), kChoices.end(), [&](const char* key) {
    return std::all_of(
        adapters.begin(), adapters.end(), [&](const Adapter& adapter) {
          return choice(adapter, key) == choice(adapters.front(), key);
        });
  });
}

}  // namespace

ordered_json joined_config(const AdapterMean& mean,
                           const std::vector<ModuleScale>& modules) {
  ordered_json config = mean.adapters.front().config().json();
  const auto widest = std::max_element(
      modules.begin(), modules.end(),
      [](const auto& a, const auto& b) { return a.rank < b.rank; });
  config["r"] = widest->rank;
  config["lora_alpha"] = plain_number(widest->alpha);
  config["rank_pattern"] = ordered_json::object();
  config["alpha_pattern"] = ordered_json::object();
  config["init_lora_weights"] = true;
  if (config.contains("use_rslora")) config["use_rslora"] = false;
  for (const char* key : kStarts) config.erase(key);

  // The longest first: PEFT takes the first key that a module's name ends in.
  std::vector<ModuleScale> sorted = modules;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) {
                     return a.module.size() > b.module.size();
                   });
  const bool alike =
      std::all_of(modules.begin(), modules.end(), [&](const ModuleScale& m) {
        return m.rank == widest->rank && m.alpha == widest->alpha;
      });
  for (const ModuleScale& m : sorted) {
    if (alike) break;
    config["rank_pattern"][m.module] = m.rank;
    config["alpha_pattern"][m.module] = plain_number(m.alpha);
  }
  if (choose_alike(mean.adapters)) return config;
  for (const char* key : kChoices) config.erase(key);
  config["target_modules"] = ordered_json::array();
  for (const ModuleScale& m : modules) {
    config["target_modules"].push_back(m.module);
  }
  return config;
}

}  // namespace soup
