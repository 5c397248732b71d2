#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "soup/checkpoint.h"
#include "soup/model.h"

namespace soup {

/// `config.json` beside `checkpoint`, or in it when it is a folder. The path is
/// empty and the content null when there is none.
struct Sidecar {
  std::filesystem::path path;
  nlohmann::ordered_json content;
};

/// Throws Error when there is one that is no JSON object.
Sidecar read_sidecar(const Checkpoint& checkpoint);

/// `sidecar["model_args"][key]`, else `sidecar[key]`, else nullptr.
const nlohmann::ordered_json* find_argument(
    const nlohmann::ordered_json& sidecar, const std::string& key);

/// A whole number above 0, or nullopt. Throws Error for any other value.
std::optional<int64_t> integer_argument(const nlohmann::ordered_json& sidecar,
                                        const std::string& key);

/// Fills what `sidecar`, in timm's form, says of the input: mean, standard
/// deviation, crop and interpolation.
void read_preprocessing(const nlohmann::ordered_json& sidecar,
                        ModelInput& input);

}  // namespace soup
