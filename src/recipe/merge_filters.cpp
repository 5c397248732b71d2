#include "recipe/merge_filters.h"

#include "core/text.h"

namespace soup {
namespace {

void collect(const Parameters& parameters, std::vector<const Choice*>& idle) {
  for (const auto& [name, parameter] : parameters) {
    for (const Choice& choice : parameter.choices) {
      if (!choice.filter.empty() && !choice.used) idle.push_back(&choice);
    }
  }
}

}  // namespace

void warn_of_idle_filters(const MergeConfig& config, Plan& plan) {
  std::vector<const Choice*> idle;
  collect(config.parameters, idle);
  for (const MergeModule& module : config.modules) {
    collect(module.parameters, idle);
    for (const MergeSlice& slice : module.slices) {
      collect(slice.parameters, idle);
      for (const MergeSource& s : slice.sources) collect(s.parameters, idle);
    }
  }
  for (const Choice* choice : idle) {
    // An entry after one that always matches is never asked.
    bool somewhere = false;
    for (const PlannedTensor& tensor : plan.tensors) {
      somewhere = somewhere || filter_matches(choice->filter, tensor.out.name);
    }
    if (somewhere) continue;
    plan.notices.push_back((choice->line > 0
                                ? "line " + std::to_string(choice->line) + ": "
                                : "") +
                           "the filter '" + printable(choice->filter) +
                           "' matches no tensor's name");
  }
}

}  // namespace soup
