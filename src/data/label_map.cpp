#include "data/label_map.h"

#include <algorithm>

#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "data/lines.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr size_t kMostBytes = size_t{1} << 28;

std::string name_of(const std::string& path) {
  return fs::path(path).filename().string();
}

std::string folder_name_of(const std::string& path) {
  return fs::path(path).parent_path().filename().string();
}

Labels parse_labels(std::string_view text, const std::string& place) {
  Labels labels;
  while (true) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::optional<int32_t> label = parse_label(text.substr(0, comma));
    if (!label) {
      throw Error(place + ": expected whole numbers from 0 on with commas " +
                  "between them");
    }
    labels.push_back(*label);
    if (comma == text.size()) return labels;
    text.remove_prefix(comma + 1);
  }
}

Labels labels_of(const ordered_json& value, const std::string& place) {
  Labels labels;
  const auto add = [&](const ordered_json& one) {
    const std::optional<int32_t> label =
        one.is_number_integer() ? parse_label(one.dump()) : std::nullopt;
    if (!label) {
      throw Error(place +
                  ": expected a whole number from 0 on, or a list of "
                  "them");
    }
    labels.push_back(*label);
  };
  if (value.is_array()) {
    for (const ordered_json& one : value) add(one);
  } else {
    add(value);
  }
  return labels;
}

LabelMap parse_json_map(const fs::path& path,
                        const std::vector<std::string>& pictures) {
  const std::string where = path.string();
  const ordered_json json = read_json(path, kMostBytes);
  LabelMap map;
  if (json.is_object()) {
    for (const auto& [name, value] : json.items()) {
      map[name] = labels_of(value, where + ": '" + printable(name) + "'");
    }
    return map;
  }
  if (!json.is_array()) {
    throw Error(where + ": expected an object of names or an array of labels");
  }
  if (json.size() != pictures.size()) {
    throw Error(where + ": has labels for " + std::to_string(json.size()) +
                " pictures, but there are " + std::to_string(pictures.size()));
  }
  std::vector<std::string> names;
  for (const std::string& picture : pictures) names.push_back(name_of(picture));
  std::sort(names.begin(), names.end());
  if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
    throw Error(where + ": goes by the names of the pictures, but two have " +
                "the same name");
  }
  for (size_t i = 0; i < names.size(); ++i) {
    map[names[i]] = labels_of(json[i], where + ": entry " + std::to_string(i));
  }
  return map;
}

LabelMap parse_lines(const fs::path& path) {
  LabelMap map;
  const std::string text = read_text(path, kMostBytes);
  Lines lines(text, path);
  for (std::string_view line; lines.next(line);) {
    const size_t tab = line.find('\t');
    if (tab == 0 || tab == std::string_view::npos) {
      lines.fail("expected a name, a tab and labels");
    }
    const auto [entry, fresh] =
        map.try_emplace(std::string(line.substr(0, tab)),
                        parse_labels(line.substr(tab + 1), lines.place()));
    if (!fresh) {
      lines.fail("names '" + printable(entry->first) + "' again");
    }
  }
  return map;
}

const Labels* find_labels(const LabelMap& map, const std::string& path) {
  auto found = map.find(name_of(path));
  if (found == map.end()) found = map.find(folder_name_of(path));
  const bool has = found != map.end() && !found->second.empty();
  return has ? &found->second : nullptr;
}

}  // namespace

LabelMap read_label_map(const fs::path& path,
                        const std::vector<std::string>& pictures) {
  return path.extension() == ".json" ? parse_json_map(path, pictures)
                                     : parse_lines(path);
}

void apply_label_map(const LabelMap& map, const std::string& where,
                     Listing& listing) {
  std::vector<std::string> files;
  listing.labels.clear();
  listing.class_names.clear();
  const size_t before = listing.files.size();
  for (std::string& file : listing.files) {
    const Labels* labels = find_labels(map, file);
    if (labels == nullptr) continue;
    listing.labels.push_back(*labels);
    files.push_back(std::move(file));
  }
  listing.files = std::move(files);
  if (listing.files.empty()) {
    throw Error(where + ": names none of the " + std::to_string(before) +
                " pictures, nor a folder that one is in");
  }
  const size_t left_out = before - listing.files.size();
  if (left_out > 0) {
    log::info(where + ": has labels for " +
              std::to_string(listing.files.size()) + " of " +
              std::to_string(before) + " pictures; the others do not count");
  }
}

std::vector<Labels> read_classes(const fs::path& path) {
  std::vector<Labels> classes;
  const std::string text = read_text(path, kMostBytes);
  Lines lines(text, path);
  for (std::string_view line; lines.next(line);) {
    classes.push_back(parse_labels(line, lines.place()));
  }
  if (classes.empty()) throw Error(path.string() + ": names no class");
  return classes;
}

}  // namespace soup
