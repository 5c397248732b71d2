#include "model/sidecar.h"

#include <algorithm>
#include <cmath>

#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr size_t kMaxConfig = 4 << 20;
constexpr const char* kName = "config.json";

// As a preprocessing number is used in arithmetic: finite, and not 0.
void check_positive(const std::vector<double>& values, const std::string& key) {
  if (!std::all_of(values.begin(), values.end(),
                   [](double v) { return std::isfinite(v) && v > 0; })) {
    throw Error(std::string(kName) + ": '" + key + "' must be above 0");
  }
}

}  // namespace

Sidecar read_sidecar(const Checkpoint& checkpoint) {
  const fs::path& path = checkpoint.path();
  std::error_code error;
  const fs::path folder =
      fs::is_directory(path, error) ? path : folder_of(path);
  Sidecar sidecar;
  if (!fs::is_regular_file(folder / kName, error)) return sidecar;
  sidecar.path = folder / kName;
  sidecar.content = read_json(sidecar.path, kMaxConfig);
  if (!sidecar.content.is_object()) {
    throw Error(sidecar.path.string() + ": expected a JSON object, found " +
                sidecar.content.type_name());
  }
  return sidecar;
}

const ordered_json* find_argument(const ordered_json& sidecar,
                                  const std::string& key) {
  for (const ordered_json* place :
       {sidecar.contains("model_args") ? &sidecar.at("model_args") : nullptr,
        &sidecar}) {
    if (place == nullptr || !place->is_object()) continue;
    const auto found = place->find(key);
    if (found != place->end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

std::optional<int64_t> integer_argument(const ordered_json& sidecar,
                                        const std::string& key) {
  const ordered_json* value = find_argument(sidecar, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer() || value->get<double>() < 1 ||
      value->get<double>() > 1e9) {
    throw Error(std::string(kName) + ": '" + key +
                "' is no whole number above 0");
  }
  return value->get<int64_t>();
}

void read_preprocessing(const ordered_json& sidecar, ModelInput& input) {
  if (!sidecar.is_object()) return;
  // timm's older files have these keys at the top.
  const bool nested = sidecar.contains("pretrained_cfg") &&
                      sidecar.at("pretrained_cfg").is_object();
  const ordered_json& cfg = nested ? sidecar.at("pretrained_cfg") : sidecar;
  const auto has = [&](const char* key) {
    return cfg.contains(key) && !cfg.at(key).is_null();
  };
  if (has("mean") && has("std")) {
    input.mean = get_as<std::vector<double>>(cfg, "mean", kName);
    input.std = get_as<std::vector<double>>(cfg, "std", kName);
    check_positive(input.std, "std");
  }
  if (has("crop_pct")) {
    input.crop_pct = get_as<double>(cfg, "crop_pct", kName);
    check_positive({input.crop_pct}, "crop_pct");
  }
  if (has("interpolation")) {
    input.interpolation = get_as<std::string>(cfg, "interpolation", kName);
  }
  if (has("crop_mode") && cfg.at("crop_mode") != "center") {
    log::warn("config.json: 'crop_mode' " +
              printable(cfg.at("crop_mode").dump()) +
              " is not known; pictures are cropped at their centre");
  }
}

}  // namespace soup
