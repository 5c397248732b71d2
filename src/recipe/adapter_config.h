#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/pattern.h"

namespace soup {

/// What the product of a pair of factors is multiplied with: alpha / divisor.
struct LoraScale {
  double alpha = 1;
  double divisor = 1;  ///< the rank; rslora: its square root
  double value() const { return alpha / divisor; }
};

/// `adapter_config.json` of a LoRA adapter, as PEFT writes it.
class AdapterConfig {
 public:
  /// Throws Error for an adapter whose change is not scale * B * A, naming what
  /// makes it so.
  explicit AdapterConfig(const std::filesystem::path& folder);
  /// `where` is put in front of messages.
  AdapterConfig(nlohmann::ordered_json json, std::string where);

  const nlohmann::ordered_json& json() const { return json_; }
  /// True where `key` is there and no null, false, zero or empty value.
  bool is_set(const std::string& key) const;
  /// The text under `key`, empty where there is none.
  std::string text(const std::string& key) const;
  LoraScale scale(const std::string& module, int64_t rank) const;

 private:
  std::string where_;
  nlohmann::ordered_json json_;
  std::vector<std::pair<Pattern, double>> alphas_;
};

}  // namespace soup
