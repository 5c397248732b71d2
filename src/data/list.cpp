#include "data/list.h"

#include <algorithm>

#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "data/examples.h"
#include "data/lines.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{1} << 30;

/// Takes a field in quotes off `line`; "" in it is a quote.
std::string quoted_field(std::string_view& line, const Lines& lines) {
  std::string field;
  for (size_t i = 1; i < line.size(); ++i) {
    if (line[i] != '"') {
      field += line[i];
    } else if (i + 1 < line.size() && line[i + 1] == '"') {
      field += line[i++];
    } else {
      line.remove_prefix(i + 1);
      return field;
    }
  }
  lines.fail("a quote is not closed on the line");
}

std::vector<std::string> fields_of(std::string_view line, char separator,
                                   const Lines& lines) {
  std::vector<std::string> fields;
  while (true) {
    if (separator == ',' && line.starts_with('"')) {
      fields.push_back(quoted_field(line, lines));
      if (!line.empty() && line[0] != separator) {
        lines.fail("text behind a closing quote");
      }
    } else {
      const size_t end = std::min(line.find(separator), line.size());
      fields.emplace_back(line.substr(0, end));
      line.remove_prefix(end);
    }
    if (line.empty()) return fields;
    line.remove_prefix(1);
  }
}

size_t column(const std::vector<std::string>& names, const std::string& name,
              const Lines& lines) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    lines.fail("names no column '" + name + "', but " +
               printable(join(names, ", ")));
  }
  return static_cast<size_t>(found - names.begin());
}

void add(const std::string& path, std::optional<int32_t> label,
         const fs::path& folder, const Lines& lines, Listing& listing) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    lines.fail("has no path of a picture");
  }
  if (!label) lines.fail("the label is no whole number from 0 on");
  listing.files.push_back((folder / path).string());
  listing.labels.push_back({*label});
}

Listing parse_columns(Lines& lines, char separator, const fs::path& folder) {
  Listing listing;
  std::string_view line;
  if (!lines.next(line)) return listing;
  const std::vector<std::string> names = fields_of(line, separator, lines);
  const size_t path = column(names, "path", lines);
  const size_t label = column(names, "label", lines);
  while (lines.next(line)) {
    const std::vector<std::string> fields = fields_of(line, separator, lines);
    if (fields.size() != names.size()) {
      lines.fail("has " + std::to_string(fields.size()) +
                 " fields, the first line has " + std::to_string(names.size()));
    }
    add(fields[path], parse_label(fields[label]), folder, lines, listing);
  }
  return listing;
}

Listing parse_objects(Lines& lines, const fs::path& folder) {
  Listing listing;
  std::string_view line;
  while (lines.next(line)) {
    const nlohmann::ordered_json object = parse_json(line, lines.place());
    const auto path = object.find("path");
    const auto label = object.find("label");
    if (!object.is_object() || path == object.end() || label == object.end() ||
        !path->is_string()) {
      lines.fail("expected an object with 'path' and 'label'");
    }
    add(path->get<std::string>(),
        label->is_number_integer() ? parse_label(label->dump()) : std::nullopt,
        folder, lines, listing);
  }
  return listing;
}

std::string kind_of(const fs::path& list) {
  return lower(list.extension().string());
}

}  // namespace

bool is_list(const fs::path& file) {
  const std::string kind = kind_of(file);
  return kind == ".csv" || kind == ".tsv" || kind == ".jsonl";
}

Listing parse_list(std::string_view text, const fs::path& where,
                   const fs::path& folder) {
  if (!is_list(where)) {
    throw Error(where.string() +
                ": the name of a list ends in .csv, .tsv or .jsonl");
  }
  Lines lines(text, where);
  if (kind_of(where) == ".jsonl") return parse_objects(lines, folder);
  const char separator = kind_of(where) == ".csv" ? ',' : '\t';
  return parse_columns(lines, separator, folder);
}

Listing read_lists(const DatasetSpec& spec) {
  check_files(spec);
  Listing all;
  for (const fs::path& file : spec.files) {
    const Listing listing =
        parse_list(read_text(file, kMostBytes), file, spec.path);
    all.files.insert(all.files.end(), listing.files.begin(),
                     listing.files.end());
    all.labels.insert(all.labels.end(), listing.labels.begin(),
                      listing.labels.end());
  }
  return all;
}

}  // namespace soup
