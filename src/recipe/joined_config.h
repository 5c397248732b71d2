#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "recipe/adapter.h"

namespace soup {

/// What the configuration of an adapter says about one module.
struct ModuleScale {
  std::string module;
  int64_t rank = 0;
  double alpha = 0;
};

/// The configuration of the average of `adapters`: the first one's, with ranks
/// and alphas of `modules` (at least one) and the modules named.
nlohmann::ordered_json joined_config(const AdapterMean& mean,
                                     const std::vector<ModuleScale>& modules);

}  // namespace soup
