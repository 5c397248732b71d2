#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "soup/checkpoint.h"
#include "soup/model.h"

namespace soup {

/// What is known of a model besides its weights.
struct Sidecar {
  /// config.json (timm's, Hugging Face's) or open_clip_config.json beside the
  /// checkpoint, or in it when it is a folder; null: there is none.
  nlohmann::ordered_json config;
  /// preprocessor_config.json (Hugging Face's); null: there is none.
  nlohmann::ordered_json preprocessor;
  /// timm's, torchvision's or open_clip's name: the user's word, else the
  /// config's `architecture`; empty: unknown.
  std::string architecture;
  /// Weights of a linear head, see read_head(); empty: it is in the checkpoint.
  std::filesystem::path head;
};

/// Throws Error when there is a file that is no JSON object.
Sidecar read_sidecar(const Checkpoint& checkpoint);

/// `key` of the part of `config` about the image model (timm's `model_args`,
/// Hugging Face's `vision_config`, open_clip's `model_cfg`), else of its top,
/// else nullptr.
const nlohmann::ordered_json* find_argument(
    const nlohmann::ordered_json& config, const std::string& key);

/// A whole number above 0, or nullopt. Throws Error for any other value.
std::optional<int64_t> integer_argument(const nlohmann::ordered_json& config,
                                        const std::string& key);

/// The first of `keys` that is there, as a number above 0, else nullopt.
/// Throws Error for any other value.
std::optional<double> positive_argument(
    const nlohmann::ordered_json& config,
    std::initializer_list<const char*> keys);

}  // namespace soup
