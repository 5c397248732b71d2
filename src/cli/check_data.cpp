#include "cli/check_data.h"

#include "cli/describe.h"
#include "core/log.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

ordered_json number(const std::optional<int64_t>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

std::string text(const std::optional<int64_t>& value) {
  return value ? std::to_string(*value) : "-";
}

bool agree(const std::optional<int64_t>& found,
           const std::optional<int64_t>& expected) {
  return !expected || found == expected;
}

}  // namespace

int check_data(std::span<const DatasetSpec> specs, const Output& output) {
  std::vector<std::vector<std::string>> rows;
  bool all_good = true;
  for (const DatasetSpec& spec : specs) {
    const Expectation found = count_examples(spec);
    const bool good = agree(found.examples, spec.expect.examples) &&
                      agree(found.classes, spec.expect.classes);
    all_good = all_good && good;
    if (!good) {
      log::warn(spec.name + ": is not what it is known to be: " +
                text(found.examples) + " examples, expected " +
                text(spec.expect.examples) + "; " + text(found.classes) +
                " class folders, expected " + text(spec.expect.classes));
    }
    output.object({{"kind", "data"},
                   {"dataset", spec.name},
                   {"path", spec.path.string()},
                   {"examples", number(found.examples)},
                   {"expected_examples", number(spec.expect.examples)},
                   {"class_folders", number(found.classes)},
                   {"expected_class_folders", number(spec.expect.classes)},
                   {"as_expected", good}});
    rows.push_back({spec.name, text(found.examples), text(spec.expect.examples),
                    text(found.classes), text(spec.expect.classes)});
  }
  print_table(output,
              {{"data set", 0, false},
               {"examples", 0, true},
               {"expected", 0, true},
               {"class folders", 0, true},
               {"expected", 0, true}},
              rows);
  return all_good ? 0 : 1;
}

}  // namespace soup
