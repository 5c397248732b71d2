#include "data/spec.h"

#include <algorithm>
#include <cmath>

#include "core/file.h"
#include "core/json.h"
#include "core/table.h"
#include "data/resize.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr int64_t kMaxSide = 16384;
constexpr std::array<std::string_view, 6> kCommonKeys = {
    "name", "summary", "loader", "path", "range", "preprocess"};
constexpr std::array<std::string_view, 6> kPreprocessKeys = {
    "size", "resize", "filter", "crop_pct", "mean", "std"};
constexpr std::array<std::string_view, 3> kResizes = {"shorter", "exact",
                                                      "none"};
constexpr std::array<std::string_view, 2> kLabels = {"rank", "integer"};

void check_choice(const std::string& value, const std::string& key,
                  std::span<const std::string_view> choices,
                  const std::string& where) {
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
    throw UsageError(where + ": unknown '" + key + "': '" + value + "'" +
                     suggestion(value, choices));
  }
}

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
  if (p.crop_pct && !(*p.crop_pct > 0 && *p.crop_pct <= 1)) {
    throw UsageError(where + ": 'crop_pct' is " + std::to_string(*p.crop_pct) +
                     ", expected more than 0 and at most 1");
  }
  if (p.crop_pct && p.resize && *p.resize != "shorter") {
    throw UsageError(where + ": 'crop_pct' has no meaning with 'resize': '" +
                     *p.resize + "', which does not crop");
  }
}

Preprocess parse_preprocess(const ordered_json& json,
                            const std::string& where) {
  check_keys(json, kPreprocessKeys, where);
  Preprocess p;
  if (json.contains("size")) p.size = get_as<int64_t>(json, "size", where);
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

std::array<int64_t, 2> parse_range(const ordered_json& json,
                                   const std::string& where) {
  const ordered_json& range = json.at("range");
  if (!range.is_array() || range.size() != 2 || !range[0].is_number_integer() ||
      !range[1].is_number_integer() || range[0].get<double>() < 0 ||
      range[1].get<double>() > 1e15 ||
      range[0].get<double>() >= range[1].get<double>()) {
    throw UsageError(where +
                     ": 'range' needs two whole numbers, the first example "
                     "and the one behind the last");
  }
  return {range[0].get<int64_t>(), range[1].get<int64_t>()};
}

fs::path needed_path(const ordered_json& json, const std::string& key,
                     const fs::path& base, const std::string& where) {
  if (!json.contains(key)) {
    throw UsageError(where + ": the key '" + key + "' is missing");
  }
  // An absolute path replaces the base.
  return base / get_as<std::string>(json, key, where);
}

std::vector<fs::path> needed_files(const ordered_json& json,
                                   const fs::path& base,
                                   const std::string& where) {
  if (!json.contains("files")) {
    throw UsageError(where + ": the key 'files' is missing");
  }
  std::vector<fs::path> files;
  for (const auto& name :
       get_as<std::vector<std::string>>(json, "files", where)) {
    files.push_back(base / name);
  }
  if (files.empty()) throw UsageError(where + ": 'files' names no file");
  return files;
}

std::string text_or(const ordered_json& json, const std::string& key,
                    const std::string& fallback, const std::string& where) {
  return json.contains(key) ? get_as<std::string>(json, key, where) : fallback;
}

fs::path resolved(const fs::path& path) {
  std::error_code error;
  fs::path real = fs::weakly_canonical(path, error);
  return error ? fs::absolute(path).lexically_normal() : real;
}

}  // namespace

DatasetSpec parse_spec(const ordered_json& json, const fs::path& origin,
                       const fs::path& root) {
  const std::string where = origin.string();
  if (!json.is_object() || !json.contains("loader")) {
    throw UsageError(where + ": a data set's spec needs the key 'loader'");
  }
  DatasetSpec spec;
  spec.origin = origin;
  spec.loader = get_as<std::string>(json, "loader", where);
  const DatasetLoader& loader =
      find_row(dataset_loaders(), spec.loader, where + ": loader");
  std::vector<std::string_view> keys(kCommonKeys.begin(), kCommonKeys.end());
  keys.insert(keys.end(), loader.keys.begin(), loader.keys.end());
  check_keys(json, keys, where);

  spec.name = text_or(json, "name", origin.stem().string(), where);
  spec.summary = text_or(json, "summary", "", where);
  const auto knows = [&](std::string_view key) {
    return std::find(loader.keys.begin(), loader.keys.end(), key) !=
           loader.keys.end();
  };
  spec.path = root;
  if (!(knows("images") || knows("files")) || json.contains("path")) {
    spec.path = needed_path(json, "path", root, where);
  }
  if (knows("files")) spec.files = needed_files(json, spec.path, where);
  if (knows("images")) {
    spec.images = needed_path(json, "images", spec.path, where);
    spec.labels_file = needed_path(json, "labels", spec.path, where);
  } else if (knows("labels")) {
    spec.labels = text_or(json, "labels", "rank", where);
    check_choice(spec.labels, "labels", kLabels, where);
  }
  if (json.contains("range")) spec.range = parse_range(json, where);
  if (json.contains("preprocess")) {
    spec.preprocess =
        parse_preprocess(json.at("preprocess"), where + ": preprocess");
  }
  return spec;
}

DatasetSpec folder_spec(const fs::path& folder) {
  DatasetSpec spec;
  spec.name = resolved(folder).filename().string();
  spec.loader = "folders";
  spec.path = folder;
  return spec;
}

DatasetSpec list_spec(const fs::path& file) {
  DatasetSpec spec;
  spec.name = file.stem().string();
  spec.loader = "list";
  spec.path = folder_of(file);
  spec.files = {file};
  return spec;
}

bool same_examples(const DatasetSpec& a, const DatasetSpec& b) {
  return a.loader == b.loader && a.range == b.range &&
         resolved(a.path) == resolved(b.path) &&
         resolved(a.images) == resolved(b.images) &&
         std::equal(a.files.begin(), a.files.end(), b.files.begin(),
                    b.files.end(), [](const fs::path& x, const fs::path& y) {
                      return resolved(x) == resolved(y);
                    });
}

Preprocess overlay(const Preprocess& over, const Preprocess& under) {
  Preprocess p = over;
  if (!p.size) p.size = under.size;
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
