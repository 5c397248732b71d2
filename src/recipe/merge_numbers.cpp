#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "recipe/merge_tensor.h"
#include "recipe/settings.h"

// The numbers of one output tensor: weights of its sources, settings of its
// rule.

namespace soup {

// Slice source, slice, module, recipe: the first level with a value counts.
std::optional<double> TensorMaker::look_up(const std::string& parameter,
                                           const Mixture& mixture,
                                           const MergeSource* source,
                                           const std::string& input,
                                           const std::string& output) const {
  const auto at = [&](const Parameters& level,
                      const std::string& name) -> std::optional<double> {
    const auto found = level.find(parameter);
    if (found == level.end()) return std::nullopt;
    return found->second.value(name, mixture.t);
  };
  // What is given for every model is about the tensors of its own.
  const std::string& name = source != nullptr ? input : output;
  std::optional<double> value;
  if (source != nullptr) value = at(source->parameters, name);
  if (!value) value = at(mixture.slice.parameters, name);
  if (!value) value = at(mixture.module.parameters, name);
  if (!value) value = at(config_.parameters, name);
  return value;
}

void TensorMaker::set_settings(PlannedTensor& tensor, const Mixture& mixture,
                               const std::string& output) {
  const Rule& rule = *tensor.rule;
  std::vector<std::string> wrong;
  const auto input_name = [&](size_t k) {
    const Input& input = mixture.inputs[k];
    return models_[input.source->model].file().tensors()[*input.tensor].name;
  };
  Settings shared;
  for (const RuleSetting& setting : rule.settings) {
    if (setting.per_model) continue;
    const std::string name(setting.name);
    if (const auto value = look_up(name, mixture, nullptr, "", output)) {
      shared[name] = *value;
    }
  }
  tensor.settings = rule_settings(rule, shared, "recipe", wrong);
  for (size_t k = 0; k < tensor.sources.size(); ++k) {
    if (k == tensor.base) continue;
    Settings own;
    for (const RuleSetting& setting : rule.settings) {
      if (!setting.per_model) continue;
      const std::string name(setting.name);
      const auto value = look_up(name, mixture, mixture.inputs[k].source,
                                 input_name(k), output);
      if (value) own[name] = *value;
    }
    const size_t model = mixture.inputs[k].source->model;
    tensor.sources[k].settings =
        model_settings(rule, own, {}, models_[model].name(), wrong);
  }
  if (rule.by_depth) tensor.settings["depth"] = mixture.depth;
  for (const std::string& what : wrong) {
    mistakes_.add(mixture.slice.line, what);
  }
}

void TensorMaker::set_weights(PlannedTensor& tensor, const Mixture& mixture,
                              const std::string& output) {
  if (!tensor.rule->weighted) return;
  std::vector<std::optional<double>> weights;
  for (size_t k = 0; k < tensor.sources.size(); ++k) {
    const Input& input = mixture.inputs[k];
    const std::string& name =
        models_[input.source->model].file().tensors()[*input.tensor].name;
    weights.push_back(look_up("weight", mixture, input.source, name, output));
  }
  const bool none = std::none_of(weights.begin(), weights.end(),
                                 [](const auto& w) { return w.has_value(); });
  for (size_t k = 0; k < weights.size(); ++k) {
    if (k == tensor.base) continue;
    const MergeSource& source = *mixture.inputs[k].source;
    const std::string& model = models_[source.model].name();
    if (!none && !weights[k]) {
      mistakes_.add_tensor(source.line,
                           model +
                               " has no weight, but another source has; "
                               "give one to each",
                           output);
    }
    tensor.sources[k].weight = weights[k].value_or(1);
    std::vector<std::string> wrong;
    check_weight(*tensor.rule, tensor.sources[k].weight, model, wrong);
    for (const std::string& what : wrong) mistakes_.add(source.line, what);
  }
  if (tensor.rule->name == "linear") simplify_mean(tensor, mixture, output);
}

void TensorMaker::simplify_mean(PlannedTensor& tensor, const Mixture& mixture,
                                const std::string& output) {
  const bool mean = tensor.settings.at("normalize") != 0;
  double sum = 0;
  for (const Source& source : tensor.sources) sum += source.weight;
  if (mean && std::fabs(sum) < 1e-12) {
    mistakes_.add_tensor(mixture.slice.line,
                         "the weights add up to zero, so there is no mean",
                         output);
    return;
  }
  // Not read, so that what is infinite in them does no harm.
  std::erase_if(tensor.sources,
                [&](const Source& s) { return s.weight == 0 && sum != 0; });
  const bool equal = std::all_of(
      tensor.sources.begin(), tensor.sources.end(), [&](const Source& s) {
        return s.weight == tensor.sources.front().weight;
      });
  if (!mean || !equal || recipe_.numerics == Numerics::kMergekit) return;
  for (Source& source : tensor.sources) source.weight = 1;
}

}  // namespace soup
