#include "data/spec_preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/json.h"
#include "core/table.h"
#include "data/resize.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kMaxSide = 16384;
constexpr std::array<std::string_view, 7> kPreprocessKeys = {
    "size", "border", "resize", "filter", "crop_pct", "mean", "std"};
constexpr std::array<std::string_view, 3> kResizes = {"shorter", "exact",
                                                      "none"};

std::vector<double> parse_channels(const ordered_json& json,
                                   const std::string& key,
                                   const std::string& where) {
  auto values = get_as<std::vector<double>>(json, key, where);
  const bool positive = key == "std";
  const bool good = std::all_of(values.begin(), values.end(), [&](double v) {
    return std::isfinite(v) && (!positive || v > 0);
  });
  if (!good || (values.size() != 1 && values.size() != 3)) {
    throw UsageError(where + ": '" + key + "' needs one or three " +
                     (positive ? "positive numbers" : "numbers"));
  }
  return values;
}

void check_statistics(const Preprocess& p, const std::string& where) {
  if (p.mean.size() != p.std.size()) {
    throw UsageError(where +
                     ": 'mean' and 'std' go together, one number a channel");
  }
}

void check_sizes(const Preprocess& p, const std::string& where) {
  if (p.size && (*p.size < 1 || *p.size > kMaxSide)) {
    throw UsageError(where + ": 'size' is " + std::to_string(*p.size) +
                     ", expected 1 to " + std::to_string(kMaxSide));
  }
  if (p.border && (*p.border < 0 || *p.border > kMaxSide)) {
    throw UsageError(where + ": 'border' is " + std::to_string(*p.border) +
                     ", expected 0 to " + std::to_string(kMaxSide));
  }
  if (p.crop_pct && !(*p.crop_pct > 0 && *p.crop_pct <= 1)) {
    throw UsageError(where + ": 'crop_pct' is " + std::to_string(*p.crop_pct) +
                     ", expected more than 0 and at most 1");
  }
  if (p.crop_pct && p.resize && *p.resize != "shorter") {
    throw UsageError(where + ": 'crop_pct' has no meaning with 'resize': '" +
                     *p.resize + "', which does not crop");
  }
}

}  // namespace

void check_choice(const std::string& value, const std::string& key,
                  std::span<const std::string_view> choices,
                  const std::string& where) {
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
    throw UsageError(where + ": unknown '" + key + "': '" + value + "'" +
                     suggestion(value, choices));
  }
}

Preprocess parse_preprocess(const ordered_json& json,
                            const std::string& where) {
  check_keys(json, kPreprocessKeys, where);
  Preprocess p;
  if (json.contains("size")) p.size = get_as<int64_t>(json, "size", where);
  if (json.contains("border"))
    p.border = get_as<int64_t>(json, "border", where);
  if (json.contains("resize")) {
    p.resize = get_as<std::string>(json, "resize", where);
    check_choice(*p.resize, "resize", kResizes, where);
  }
  if (json.contains("filter")) {
    p.filter = get_as<std::string>(json, "filter", where);
    find_row(filters(), *p.filter, where + ": filter");
  }
  if (json.contains("crop_pct")) {
    p.crop_pct = get_as<double>(json, "crop_pct", where);
  }
  if (json.contains("mean")) p.mean = parse_channels(json, "mean", where);
  if (json.contains("std")) p.std = parse_channels(json, "std", where);
  check_statistics(p, where);
  check_sizes(p, where);
  return p;
}

Preprocess overlay(const Preprocess& over, const Preprocess& under) {
  Preprocess p = over;
  if (!p.size) p.size = under.size;
  if (!p.border) p.border = under.border;
  if (!p.resize) p.resize = under.resize;
  if (!p.filter) p.filter = under.filter;
  if (!p.crop_pct) p.crop_pct = under.crop_pct;
  if (p.mean.empty()) {
    p.mean = under.mean;
    p.std = under.std;
  }
  return p;
}

Preprocess default_preprocess(int64_t channels) {
  Preprocess p;
  p.border = 0;
  p.filter = "bicubic";
  if (channels == 1) {
    p.resize = "exact";
    p.crop_pct = 1.0;
    p.mean = p.std = {0.5};
  } else {
    // ImageNet's statistics, as torchvision publishes them.
    p.resize = "shorter";
    p.crop_pct = 0.875;
    p.mean = {0.485, 0.456, 0.406};
    p.std = {0.229, 0.224, 0.225};
  }
  return p;
}

}  // namespace soup
