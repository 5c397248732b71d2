#include "model/preparation.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

constexpr const char* kConfig = "config.json";
constexpr const char* kPreprocessor = "preprocessor_config.json";
constexpr int64_t kMaxSide = 1 << 14;

bool has(const ordered_json& object, const char* key) {
  return object.is_object() && object.contains(key) &&
         !object.at(key).is_null();
}

// As a preprocessing number is used in arithmetic: finite, and not 0.
void check_positive(const std::vector<double>& values, const std::string& key,
                    const char* file) {
  if (!std::all_of(values.begin(), values.end(),
                   [](double v) { return std::isfinite(v) && v > 0; })) {
    throw Error(std::string(file) + ": '" + key + "' must be above 0");
  }
}

void read_statistics(const ordered_json& json, const char* mean,
                     const char* std, const char* file, ModelInput& input) {
  if (!has(json, mean) || !has(json, std)) return;
  input.mean = get_as<std::vector<double>>(json, mean, file);
  input.std = get_as<std::vector<double>>(json, std, file);
  check_positive(input.std, std, file);
}

// timm's `pretrained_cfg`, open_clip's `preprocess_cfg`; timm's older files
// have these keys at the top.
const ordered_json& preprocess_part(const ordered_json& config) {
  for (const char* key : {"pretrained_cfg", "preprocess_cfg"}) {
    if (has(config, key) && config.at(key).is_object()) return config.at(key);
  }
  return config;
}

void read_config(const ordered_json& config, ModelInput& input) {
  if (!config.is_object()) return;
  const ordered_json& cfg = preprocess_part(config);
  read_statistics(cfg, "mean", "std", kConfig, input);
  if (has(cfg, "crop_pct")) {
    input.resize = "shorter";
    input.crop_pct = get_as<double>(cfg, "crop_pct", kConfig);
    check_positive({input.crop_pct}, "crop_pct", kConfig);
  }
  if (has(cfg, "interpolation")) {
    input.interpolation = get_as<std::string>(cfg, "interpolation", kConfig);
  }
  if (has(cfg, "crop_mode") && cfg.at("crop_mode") != "center") {
    log::warn("config.json: 'crop_mode' " +
              printable(cfg.at("crop_mode").dump()) +
              " is not known; pictures are cropped at their centre");
  }
  if (has(cfg, "resize_mode")) {
    const bool squash = cfg.at("resize_mode") == "squash";
    input.resize = squash ? "exact" : "shorter";
    if (!squash && input.crop_pct == 0) input.crop_pct = 1;
  }
}

// Of {"height": h}, {"shortest_edge": s} or a bare number; 0: not there.
int64_t side_of(const ordered_json& json, const char* key) {
  if (!has(json, key)) return 0;
  const ordered_json* value = &json.at(key);
  for (const char* part : {"height", "shortest_edge"}) {
    if (has(*value, part)) {
      value = &value->at(part);
      break;
    }
  }
  if (!value->is_number_integer() || value->get<double>() < 1 ||
      value->get<double>() > static_cast<double>(kMaxSide)) {
    throw Error(std::string(kPreprocessor) + ": '" + key + "' is no size");
  }
  return value->get<int64_t>();
}

// PIL.Image.Resampling.
std::string filter_of(const ordered_json& resample) {
  if (resample == 1) return "lanczos";
  if (resample == 2) return "bilinear";
  if (resample == 3) return "bicubic";
  if (resample == 4) return "box";
  throw Error(std::string(kPreprocessor) + ": 'resample' " +
              printable(resample.dump()) +
              " is not known here; expected 1, 2, 3 or 4");
}

// The share of which a crop of `crop` pixels gives back exactly `edge` when it
// is divided and rounded down, as Preprocess does.
double crop_share(int64_t crop, int64_t edge) {
  const auto wanted = static_cast<double>(edge);
  const double share = static_cast<double>(crop) / wanted;
  const bool exact = std::floor(static_cast<double>(crop) / share) == wanted;
  return exact ? share : static_cast<double>(crop) / (wanted + 0.5);
}

void read_preprocessor(const ordered_json& json, ModelInput& input) {
  if (!json.is_object()) return;
  read_statistics(json, "image_mean", "image_std", kPreprocessor, input);
  if (has(json, "resample")) input.interpolation = filter_of(json["resample"]);
  const int64_t edge = side_of(json, "size");
  if (edge == 0) return;
  const bool crops = has(json, "do_center_crop") &&
                     json.at("do_center_crop") == true &&
                     side_of(json, "crop_size") > 0;
  const bool shorter = has(json.at("size"), "shortest_edge");
  if (!crops && !shorter) {
    input.resize = "exact";
    return;
  }
  const int64_t crop = crops ? side_of(json, "crop_size") : edge;
  if (crop > edge) {
    throw Error(std::string(kPreprocessor) +
                ": 'crop_size' is larger than 'size'");
  }
  if (crops && has(json.at("size"), "height")) {
    log::info(std::string(kPreprocessor) +
              " resizes both sides before the crop; here the shorter side is "
              "resized, as in the training of these models");
  }
  input.resize = "shorter";
  input.crop_pct = crop_share(crop, edge);
}

std::optional<int64_t> side_in_config(const ordered_json& config) {
  if (!config.is_object()) return std::nullopt;
  const ordered_json& cfg = preprocess_part(config);
  if (!has(cfg, "input_size")) {
    const auto side = integer_argument(config, "image_size");
    if (side && *side > kMaxSide) {
      throw Error(std::string(kConfig) + ": 'image_size' is larger than " +
                  std::to_string(kMaxSide));
    }
    return side;
  }
  const ordered_json& size = cfg.at("input_size");  // channels, height, width
  if (!size.is_array() || size.size() != 3 || !size[1].is_number_integer() ||
      size[1] != size[2] || size[1] < 1 || size[1] > kMaxSide) {
    throw Error(std::string(kConfig) + ": 'input_size' " +
                printable(size.dump()) +
                " is not known here; expected [channels, side, side]");
  }
  return size[1].get<int64_t>();
}

// "convnext_base.fb_in22k_ft_in1k_384" is made for 384 pixels.
std::optional<int64_t> side_in_name(const std::string& name) {
  const size_t at = name.rfind('_');
  if (at == std::string::npos) return std::nullopt;
  int64_t side = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + at + 1, end, side);
  const bool good =
      error == std::errc() && stop == end && side >= 32 && side <= kMaxSide;
  return good ? std::optional(side) : std::nullopt;
}

std::optional<int64_t> picture_side(const Sidecar& sidecar) {
  const auto side = side_in_config(sidecar.config);
  return side ? side : side_in_name(sidecar.architecture);
}

}  // namespace

Published imagenet_published(std::string_view filter, double crop_pct) {
  return {.mean = {0.485, 0.456, 0.406},
          .std = {0.229, 0.224, 0.225},
          .resize = "shorter",
          .filter = filter,
          .crop_pct = crop_pct};
}

Published clip_published() {
  return {.mean = {0.48145466, 0.4578275, 0.40821073},
          .std = {0.26862954, 0.26130258, 0.27577711},
          .resize = "shorter",
          .filter = "bicubic",
          .crop_pct = 1};
}

Published half_published() {
  return {.mean = {0.5, 0.5, 0.5},
          .std = {0.5, 0.5, 0.5},
          .resize = "exact",
          .filter = "bilinear"};
}

void read_preparation(const Sidecar& sidecar, const Published& published,
                      ModelInput& input) {
  read_config(sidecar.config, input);
  read_preprocessor(sidecar.preprocessor, input);
  if (input.channels != 3) return;
  if (input.mean.empty() && !published.mean.empty()) {
    input.mean = published.mean;
    input.std = published.std;
    input.published_statistics = true;
  }
  if (published.resize.empty()) return;
  if (input.resize.empty()) {
    input.resize = published.resize;
    input.crop_pct = published.crop_pct;
    input.published_resize = true;
  }
  if (input.interpolation.empty()) {
    input.interpolation = published.filter;
    input.published_resize = true;
  }
}

ModelInput any_size_input(const Sidecar& sidecar, int64_t channels,
                          const Published& published) {
  ModelInput input;
  input.channels = channels;
  input.any_size = true;
  const std::optional<int64_t> side = picture_side(sidecar);
  input.usual_size = !side;
  input.height = input.width = side.value_or(input.height);
  read_preparation(sidecar, published, input);
  return input;
}

}  // namespace soup
