#include "recipe/adapter_config.h"

#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "core/json.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

// Options of PEFT under which the change is not scale * B * A.
struct Variant {
  const char* key;
  std::string_view what;
};
constexpr std::array kVariants = {
    Variant{"use_dora", "a DoRA adapter"},
    Variant{"use_qalora", "a QA-LoRA adapter"},
    Variant{"use_bdlora", "a BD-LoRA adapter"},
    Variant{"kasa_config", "a KaSA adapter"},
    Variant{"monteclora_config", "a MonteCLoRA adapter"},
    Variant{"arrow_config", "a router of adapters (Arrow)"},
    Variant{"alora_invocation_tokens", "an activated LoRA (aLoRA)"},
    Variant{"lora_bias", "an adapter whose factors have biases (lora_bias)"},
    Variant{"layer_replication", "an adapter that replicates layers"},
    Variant{"target_parameters", "an adapter of bare parameters"},
    Variant{"trainable_token_indices", "an adapter of single tokens"}};

// Initialisations that change the base model: what the adapter is added to is
// not what base_model_name_or_path names.
constexpr std::array<std::string_view, 5> kChangedBases = {
    "pissa", "olora", "corda", "loftq", "lora_ga"};

}  // namespace

AdapterConfig::AdapterConfig(const std::filesystem::path& folder)
    : AdapterConfig(read_json(folder / "adapter_config.json", 1 << 20),
                    printable((folder / "adapter_config.json").string())) {}

AdapterConfig::AdapterConfig(nlohmann::ordered_json json, std::string where)
    : where_(std::move(where)), json_(std::move(json)) {
  if (!json_.is_object()) throw Error(where_ + ": expected a JSON object");
  if (text("peft_type") != "LORA") {
    throw Error(where_ + ": the adapter is of type " +
                (is_set("peft_type") ? printable(json_["peft_type"].dump())
                                     : std::string("none")) +
                ", only LORA can be merged");
  }
  for (const Variant& variant : kVariants) {
    if (!is_set(variant.key)) continue;
    throw Error(where_ + ": " + std::string(variant.what) +
                ", which is not W + scale * B * A; merge it with peft first");
  }
  const std::string start = text("init_lora_weights");
  for (std::string_view changed : kChangedBases) {
    if (!start.starts_with(changed)) continue;
    throw Error(where_ + ": was trained on a changed base model ('" +
                printable(start) +
                "'); save it as a plain adapter first (peft: save_pretrained "
                "with path_initial_model_for_weight_conversion)");
  }
  for (const char* key : {"r", "lora_alpha"}) {
    if (!json_.contains(key) || !json_[key].is_number()) {
      throw Error(where_ + ": '" + key + "' is missing or no number");
    }
  }
  if (!is_set("alpha_pattern")) return;
  for (const auto& [key, value] : json_["alpha_pattern"].items()) {
    if (!value.is_number()) {
      throw Error(where_ + ": alpha_pattern holds no number");
    }
    // PEFT's way: an expression for the last parts of a module's name.
    std::string pattern = "^(?:.*\\.)?(?:" + key + ")$";
    alphas_.emplace_back(Pattern(where_ + ": alpha_pattern", pattern),
                         value.get<double>());
  }
}

bool AdapterConfig::is_set(const std::string& key) const {
  const auto found = json_.find(key);
  if (found == json_.end() || found->is_null()) return false;
  if (found->is_boolean()) return found->get<bool>();
  if (found->is_number()) return found->get<double>() != 0;
  return found->is_string() || !found->empty();
}

std::string AdapterConfig::text(const std::string& key) const {
  const auto found = json_.find(key);
  return found != json_.end() && found->is_string() ? found->get<std::string>()
                                                    : std::string();
}

LoraScale AdapterConfig::scale(const std::string& module, int64_t rank) const {
  LoraScale scale = {.alpha = json_["lora_alpha"].get<double>(),
                     .divisor = static_cast<double>(rank)};
  // The first that matches, as PEFT has it.
  for (const auto& [pattern, alpha] : alphas_) {
    if (!pattern.found_in(module)) continue;
    scale.alpha = alpha;
    break;
  }
  if (is_set("use_rslora")) scale.divisor = std::sqrt(scale.divisor);
  return scale;
}

}  // namespace soup
