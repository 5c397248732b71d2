#include "data/spec.h"

#include <algorithm>
#include <cmath>

#include "core/file.h"
#include "core/json.h"
#include "core/table.h"
#include "core/text.h"
#include "data/array.h"
#include "data/shards.h"
#include "data/spec_preprocess.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::array<std::string_view, 9> kCommonKeys = {
    "name",    "summary", "loader",     "path", "range",
    "classes", "expect",  "preprocess", "shift"};
constexpr std::array<std::string_view, 3> kExpectKeys = {"examples", "classes",
                                                         "sha256"};
constexpr std::array<std::string_view, 2> kLabels = {"rank", "integer"};

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
  if (!json.at(key).is_array()) {
    return base / get_as<std::string>(json, key, where);
  }
  // Places where people have it, the best known one first.
  const auto places = get_as<std::vector<std::string>>(json, key, where);
  if (places.empty()) throw UsageError(where + ": '" + key + "' is empty");
  std::error_code error;
  for (const std::string& place : places) {
    if (fs::exists(array_file(base / place), error)) return base / place;
  }
  return base / places.front();
}

/// A file that comes with the spec, or else with the data.
fs::path companion(const std::string& name, const fs::path& origin,
                   const fs::path& root) {
  std::error_code error;
  const fs::path beside = folder_of(origin) / name;
  return fs::exists(beside, error) ? beside : root / name;
}

int64_t whole_number(const ordered_json& json, const std::string& key,
                     const std::string& where) {
  const auto value = get_as<int64_t>(json, key, where);
  if (value < 1) {
    throw UsageError(where + ": '" + key + "' is " + std::to_string(value) +
                     ", expected 1 or more");
  }
  return value;
}

std::map<std::string, std::string> parse_hashes(const ordered_json& json,
                                                const std::string& where) {
  if (!json.is_object()) {
    throw UsageError(where + ": expected an object of files and their hashes");
  }
  std::map<std::string, std::string> hashes;
  for (const auto& [file, value] : json.items()) {
    const auto hash = get_as<std::string>(json, file, where);
    if (hash.size() != 64 ||
        hash.find_first_not_of("0123456789abcdef") != std::string::npos) {
      throw UsageError(where + ": " + quote(file) +
                       ": expected 64 digits of 0 to 9 and a to f");
    }
    hashes[file] = hash;
  }
  return hashes;
}

Expectation parse_expectation(const ordered_json& json,
                              const std::string& where) {
  check_keys(json, kExpectKeys, where);
  Expectation expect;
  if (json.contains("examples")) {
    expect.examples = whole_number(json, "examples", where);
  }
  if (json.contains("classes")) {
    expect.classes = whole_number(json, "classes", where);
  }
  if (json.contains("sha256")) {
    expect.sha256 = parse_hashes(json.at("sha256"), where + ": sha256");
  }
  return expect;
}

// The word rank or integer, or a file with labels.
void parse_labels(const std::string& value, const fs::path& root,
                  DatasetSpec& spec) {
  if (fs::path(value).has_extension()) {
    spec.labels = "map";
    spec.label_map = companion(value, spec.origin, root);
    return;
  }
  spec.labels = value;
  check_choice(value, "labels", kLabels, spec.origin.string());
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
    for (const std::string& file : expand_braces(name, where)) {
      files.push_back(base / file);
    }
  }
  if (files.empty()) throw UsageError(where + ": 'files' names no file");
  return files;
}

// A file of everything, or the files of single inputs by name.
void parse_inputs(const ordered_json& json, const std::string& where,
                  DatasetSpec& spec) {
  if (!json.contains("inputs")) {
    throw UsageError(where + ": the key 'inputs' is missing");
  }
  const ordered_json& inputs = json.at("inputs");
  if (inputs.is_string()) {
    spec.inputs[""] = spec.path / inputs.get<std::string>();
    const fs::path& file = spec.inputs[""];
    if (file.extension() == ".npy" || array_file(file) != file) {
      throw UsageError(where +
                       ": 'inputs': an array is one input: give its name, as "
                       "in {\"input_ids\": \"ids.npy\"}");
    }
    spec.labels_file = spec.inputs[""];
  } else {
    if (!inputs.is_object() || inputs.empty() || inputs.contains("")) {
      throw UsageError(where +
                       ": 'inputs' is neither a file nor files by the names "
                       "of inputs");
    }
    for (const auto& [name, file] : inputs.items()) {
      spec.inputs[name] = spec.path / get_as<std::string>(inputs, name, where);
    }
  }
  if (spec.labels_file.empty() || json.contains("labels")) {
    spec.labels_file = needed_path(json, "labels", spec.path, where);
  }
  if (json.contains("preprocess")) {
    throw UsageError(where + ": ready inputs have no 'preprocess'");
  }
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

bool same_files(const std::map<std::string, fs::path>& a,
                const std::map<std::string, fs::path>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
        return x.first == y.first && resolved(x.second) == resolved(y.second);
      });
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
  if (!(knows("images") || knows("files") || knows("inputs")) ||
      json.contains("path")) {
    spec.path = needed_path(json, "path", root, where);
    if (json.contains("path") && json.at("path").is_array()) {
      for (const ordered_json& place : json.at("path")) {
        spec.places.push_back(root / place.get<std::string>());
      }
    }
  }
  if (knows("files")) spec.files = needed_files(json, spec.path, where);
  if (knows("inputs")) {
    parse_inputs(json, where, spec);
  } else if (knows("images")) {
    spec.images = needed_path(json, "images", spec.path, where);
    spec.labels_file = needed_path(json, "labels", spec.path, where);
  } else if (knows("labels")) {
    parse_labels(text_or(json, "labels", "rank", where), root, spec);
  }
  if (json.contains("indices")) {
    spec.indices =
        companion(get_as<std::string>(json, "indices", where), origin, root);
  }
  if (json.contains("per_class")) {
    spec.per_class = whole_number(json, "per_class", where);
  }
  if (json.contains("classes")) {
    spec.classes =
        companion(get_as<std::string>(json, "classes", where), origin, root);
  }
  if (json.contains("expect")) {
    spec.expect = parse_expectation(json.at("expect"), where + ": expect");
  }
  if (json.contains("shift")) {
    spec.shift = get_as<bool>(json, "shift", where);
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
         a.per_class == b.per_class &&
         resolved(a.indices) == resolved(b.indices) &&
         resolved(a.path) == resolved(b.path) &&
         resolved(a.images) == resolved(b.images) &&
         same_files(a.inputs, b.inputs) &&
         std::equal(a.files.begin(), a.files.end(), b.files.begin(),
                    b.files.end(), [](const fs::path& x, const fs::path& y) {
                      return resolved(x) == resolved(y);
                    });
}

}  // namespace soup
