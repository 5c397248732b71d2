#include "cli/explain.h"

#include <algorithm>

#include "cli/describe.h"
#include "core/table.h"
#include "core/text.h"

namespace soup {
namespace {

ordered_json settings_json(const Settings& settings) {
  ordered_json json = ordered_json::object();
  for (const auto& [name, value] : settings) json[name] = value;
  return json;
}

std::string settings_text(const Settings& settings) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : settings) {
    parts.push_back(name + "=" + ordered_json(value).dump());
  }
  return join(parts, " ");
}

}  // namespace

void explain_tensor(const Plan& plan,
                    std::span<const Checkpoint* const> ingredients,
                    const std::string& name, const Output& output) {
  std::vector<std::string_view> names;
  for (const PlannedTensor& tensor : plan.tensors) {
    names.push_back(tensor.out.name);
  }
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    std::string near = nearest_name(name, names);
    throw UsageError("the output has no tensor '" + printable(name) + "'" +
                     (near.empty() ? "" : ", did you mean '" + near + "'?"));
  }
  const PlannedTensor& tensor =
      plan.tensors[static_cast<size_t>(found - names.begin())];
  const std::string rule(tensor.rule ? tensor.rule->name : "tied");
  ordered_json sources = ordered_json::array();
  output.line(printable(name) + ": " + rule + ", " +
              std::string(soup::name(tensor.out.dtype)) + " " +
              shape_text(tensor.out.shape) + " " +
              settings_text(tensor.settings));
  for (size_t k = 0; k < tensor.sources.size(); ++k) {
    const Source& source = tensor.sources[k];
    const Checkpoint& file = *ingredients[source.ingredient];
    const std::string& from = file.tensors()[source.tensor].name;
    const bool base = tensor.base == k;
    ordered_json entry = {{"path", file.path().string()},
                          {"tensor", from},
                          {"dtype", soup::name(source.dtype)},
                          {"base", base}};
    if (!base) entry["weight"] = source.weight;
    if (!base) entry["settings"] = settings_json(source.settings);
    sources.push_back(entry);
    output.line("  " + printable(file.path().string()) + " " + printable(from) +
                " " + std::string(soup::name(source.dtype)) +
                (base ? " base"
                      : " weight=" + ordered_json(source.weight).dump() + " " +
                            settings_text(source.settings)));
  }
  output.object({{"kind", "explain"},
                 {"name", name},
                 {"rule", rule},
                 {"dtype", soup::name(tensor.out.dtype)},
                 {"shape", tensor.out.shape},
                 {"settings", settings_json(tensor.settings)},
                 {"sources", sources}});
}

}  // namespace soup
