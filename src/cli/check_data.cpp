#include "cli/check_data.h"

#include <algorithm>

#include "cli/describe.h"
#include "core/log.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMostNamed = 10;  // bad pictures, in the log

std::string text(const std::optional<int64_t>& value) {
  return value ? std::to_string(*value) : "-";
}

bool agree(const std::optional<int64_t>& found,
           const std::optional<int64_t>& expected) {
  return !expected || found == expected;
}

bool check_counts(const DatasetSpec& spec, const DataCheck& found) {
  const Expectation& expect = spec.expect;
  const bool good = agree(found.examples, expect.examples) &&
                    agree(found.classes, expect.classes);
  if (!good) {
    log::warn(spec.name + ": is not what it is known to be: " +
              std::to_string(found.examples) + " examples, expected " +
              text(expect.examples) + "; " + text(found.classes) +
              " class folders, expected " + text(expect.classes));
  }
  return good;
}

bool check_bad(const DatasetSpec& spec, const DataCheck& found) {
  const size_t named = std::min(found.bad.size(), kMostNamed);
  for (size_t i = 0; i < named; ++i) log::warn(found.bad[i]);
  if (named < found.bad.size()) {
    log::warn(spec.name + ": " + std::to_string(found.bad.size() - named) +
              " more pictures cannot be decoded");
  }
  return std::ssize(found.bad) <= spec.skip_bad;
}

bool check_hash(const FileHash& file) {
  if (!file.expected || file.sha256 == *file.expected) return true;
  log::warn(file.path.string() +
            (file.sha256.empty()
                 ? ": no such file"
                 : ": is not what it is known to be: SHA-256 " + file.sha256) +
            ", expected " + *file.expected);
  return false;
}

ordered_json describe_files(std::span<const FileHash> files) {
  ordered_json all = ordered_json::array();
  for (const FileHash& file : files) {
    all.push_back({{"path", file.path.string()},
                   {"sha256", file.sha256.empty() ? ordered_json(nullptr)
                                                  : ordered_json(file.sha256)},
                   {"expected_sha256", or_null(file.expected)}});
  }
  return all;
}

ordered_json describe(const DatasetSpec& spec, const DataCheck& found,
                      bool good) {
  return {{"kind", "data"},
          {"dataset", spec.name},
          {"path", spec.path.string()},
          {"examples", found.examples},
          {"expected_examples", or_null(spec.expect.examples)},
          {"class_folders", or_null(found.classes)},
          {"expected_class_folders", or_null(spec.expect.classes)},
          {"bad", found.bad},
          {"content", found.content.empty() ? ordered_json(nullptr)
                                            : ordered_json(found.content)},
          {"files", describe_files(found.files)},
          {"as_expected", good}};
}

}  // namespace

int check_data(std::span<const DatasetSpec> specs, const Output& output) {
  std::vector<std::vector<std::string>> rows;
  bool all_good = true;
  for (const DatasetSpec& spec : specs) {
    const DataCheck found = check_dataset(spec);
    bool good = check_counts(spec, found);
    good = check_bad(spec, found) && good;
    for (const FileHash& file : found.files) good = check_hash(file) && good;
    all_good = all_good && good;
    output.object(describe(spec, found, good));
    rows.push_back({spec.name, std::to_string(found.examples),
                    text(spec.expect.examples), text(found.classes),
                    text(spec.expect.classes), std::to_string(found.bad.size()),
                    found.content.empty() ? "-" : found.content,
                    good ? "yes" : "no"});
  }
  print_table(output,
              {{"data set", 0, false},
               {"examples", 0, true},
               {"expected", 0, true},
               {"class folders", 0, true},
               {"expected", 0, true},
               {"bad pictures", 0, true},
               {"content"},
               {"as expected", 0, true}},
              rows);
  return all_good ? 0 : 1;
}

}  // namespace soup
