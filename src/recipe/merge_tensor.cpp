#include "recipe/merge_tensor.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/table.h"
#include "core/text.h"
#include "recipe/piece.h"
#include "recipe/promote.h"
#include "recipe/settings.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kMaxLines = 40;

// Constants that older libraries stored with the weights and newer compute.
constexpr std::array kBuffers = {"rotary_emb.inv_freq", "attn.masked_bias",
                                 "embeddings.position_ids"};

bool is_averaged(DType dtype) {
  return is_float(dtype) || info(dtype).kind == DTypeKind::kComplex;
}

bool same_kind_of_rows(const TensorInfo& a, const TensorInfo& b) {
  return a.shape.size() == b.shape.size() && !a.shape.empty() &&
         std::equal(a.shape.begin() + 1, a.shape.end(), b.shape.begin() + 1);
}

}  // namespace

void MergeMistakes::add(int line, const std::string& what) {
  const std::string text =
      (line > 0 ? "line " + std::to_string(line) + ": " : "") + what;
  if (std::find(lines_.begin(), lines_.end(), text) == lines_.end()) {
    lines_.push_back(text);
  }
}

void MergeMistakes::add_tensor(const std::string& what,
                               const std::string& name) {
  Repeated& same = repeated_[what];
  if (same.count++ == 0) same.first = name;
}

void MergeMistakes::check() const {
  std::vector<std::string> lines = lines_;
  for (const auto& [what, same] : repeated_) {
    lines.push_back(what + ": '" + printable(same.first) + "'" +
                    (same.count > 1
                         ? " and " + std::to_string(same.count - 1) + " more"
                         : ""));
  }
  if (lines.empty()) return;
  if (lines.size() == 1) throw Error(lines.front());
  if (lines.size() > kMaxLines) {
    lines.resize(kMaxLines);
    lines.push_back("...");
  }
  throw Error("the recipe cannot be made:\n  " + join(lines, "\n  "));
}

TensorMaker::TensorMaker(const Recipe& recipe,
                         const std::vector<MergeModel>& models,
                         MergeMistakes& mistakes)
    : recipe_(recipe),
      config_(*recipe.merge),
      models_(models),
      mistakes_(mistakes),
      forced_(forced_dtype(recipe.dtype)) {}

bool TensorMaker::wants_base() const {
  return std::any_of(config_.rules.begin(), config_.rules.end(),
                     [](const NamedChoice& choice) {
                       return find_row(rules(), choice.value, "rule").base !=
                              BaseModel::kIgnored;
                     });
}

const Rule& TensorMaker::rule_of(const std::string& name, DType natural) const {
  if (!is_averaged(natural)) {
    const bool counter = name.ends_with("num_batches_tracked") &&
                         info(natural).kind == DTypeKind::kInteger;
    const char* rule = recipe_.ints == IntPolicy::kFirst ? "first" : "equal";
    return find_row(rules(), counter ? "largest" : rule, "rule");
  }
  for (const NamedChoice& choice : config_.rules) {
    if (filter_matches(choice.filter, name)) {
      return find_row(rules(), choice.value, "rule");
    }
  }
  return find_row(rules(), config_.rules.back().value, "rule");
}

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

bool TensorMaker::skip_missing(const std::string& name, const Mixture& mixture,
                               const Input& input) {
  for (const char* buffer : kBuffers) {
    if (name.find(buffer) == std::string::npos) continue;
    ++dropped_[buffer];
    return true;
  }
  const auto weight =
      look_up("weight", mixture, input.source, name, name).value_or(1);
  if (weight == 0 && rule_of(name, DType::kF32).name == "linear") return false;
  mistakes_.add_tensor(models_[input.source->model].name() +
                           ": lacks tensors that other sources have",
                       name);
  return true;
}

void TensorMaker::add(const std::string& name, const Mixture& mixture) {
  PlannedTensor tensor;
  tensor.seed = recipe_.seed;
  tensor.numerics = recipe_.numerics;
  bool good = true;
  Mixture present = mixture;
  present.inputs.clear();
  for (const Input& input : mixture.inputs) {
    if (!input.tensor) {
      if (skip_missing(name, mixture, input)) return;
      continue;
    }
    const Checkpoint& file = models_[input.source->model].file();
    const TensorInfo& found = file.tensors()[*input.tensor];
    if (tensor.sources.empty()) {
      tensor.out = found;
      tensor.out.name = name;
      tensor.out.tied_to = -1;
    }
    const MergeModel& first =
        models_[present.inputs.empty() ? input.source->model
                                       : present.inputs[0].source->model];
    const std::optional<DType> both = promote(tensor.out.dtype, found.dtype);
    if (found.shape != tensor.out.shape) {
      mistakes_.add_tensor(
          models_[input.source->model].name() + ": has the shape " +
              shape_text(found.shape) + ", but " + first.name() + " has " +
              shape_text(tensor.out.shape) +
              (same_kind_of_rows(found, tensor.out) &&
                       (is_before_layers(name) || MergeModel::is_head(name))
                   ? " (other vocabularies: give tokenizer_source)"
                   : ""),
          name);
      good = false;
    } else if (!both) {
      mistakes_.add_tensor(models_[input.source->model].name() + ": is " +
                               std::string(soup::name(found.dtype)) + ", but " +
                               first.name() + " has " +
                               std::string(soup::name(tensor.out.dtype)),
                           name);
      good = false;
    } else {
      tensor.out.dtype = *both;
    }
    tensor.sources.push_back({.ingredient = input.source->model,
                              .tensor = *input.tensor,
                              .dtype = found.dtype});
    present.inputs.push_back(input);
  }
  if (good && !tensor.sources.empty()) make(tensor, name, present);
}

void TensorMaker::make(PlannedTensor& tensor, const std::string& name,
                       const Mixture& mixture) {
  const DType natural = tensor.out.dtype;
  tensor.rule = &rule_of(name, natural);
  if (is_averaged(natural)) {
    const std::optional<size_t> base =
        mixture.slice.base ? mixture.slice.base : config_.base;
    for (size_t k = 0; k < mixture.inputs.size(); ++k) {
      if (base == mixture.inputs[k].source->model &&
          tensor.rule->base != BaseModel::kIgnored) {
        tensor.base = k;
      }
    }
    std::vector<std::string> wrong;
    check_inputs(*tensor.rule, tensor.sources.size(), tensor.base.has_value(),
                 "the slice", wrong);
    for (const std::string& what : wrong) {
      mistakes_.add(mixture.slice.line, what);
    }
    tensor.work = work_dtype(recipe_, natural);
    set_settings(tensor, mixture, name);
    set_weights(tensor, mixture, name);
    if (forced_ && is_float(natural)) tensor.out.dtype = *forced_;
  } else if (tensor.rule->name == "first") {
    tensor.sources.resize(1);
  }
  if (!tensor.rule->makes(natural)) {
    mistakes_.add_tensor("rule '" + std::string(tensor.rule->name) +
                             "' cannot make " +
                             std::string(soup::name(natural)),
                         name);
  }
  if (!tensors_.emplace(name, std::move(tensor)).second) {
    mistakes_.add_tensor("made twice, by two modules", name);
  }
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
  std::vector<std::optional<double>> weights;
  for (size_t k = 0; k < tensor.sources.size(); ++k) {
    const Input& input = mixture.inputs[k];
    const std::string& name =
        models_[input.source->model].file().tensors()[*input.tensor].name;
    weights.push_back(look_up("weight", mixture, input.source, name, output));
  }
  const bool none = std::none_of(weights.begin(), weights.end(),
                                 [](const auto& w) { return w.has_value(); });
  double sum = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    if (k == tensor.base) continue;
    if (!none && !weights[k]) {
      const size_t model = mixture.inputs[k].source->model;
      mistakes_.add(mixture.inputs[k].source->line,
                    models_[model].name() + " has no weight for '" +
                        printable(output) +
                        "', but another source has; give one to each");
    }
    tensor.sources[k].weight = weights[k].value_or(1);
    if (tensor.rule->weighted) {
      const MergeSource& source = *mixture.inputs[k].source;
      std::vector<std::string> wrong;
      check_weight(*tensor.rule, tensor.sources[k].weight,
                   models_[source.model].name(), wrong);
      for (const std::string& what : wrong) mistakes_.add(source.line, what);
    }
    sum += tensor.sources[k].weight;
  }
  const auto normalize = tensor.settings.find("normalize");
  const bool mean =
      tensor.rule->name == "linear" &&
      (normalize == tensor.settings.end() || normalize->second != 0);
  if (tensor.rule->name != "linear") return;
  if (mean && std::fabs(sum) < 1e-12) {
    mistakes_.add_tensor("the weights add up to zero, so there is no mean",
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

bool TensorMaker::copy_if_new(size_t model, size_t tensor) {
  const TensorInfo& info = models_[model].file().tensors()[tensor];
  if (tensors_.contains(info.name)) return false;
  PlannedTensor copy;
  copy.out = info;
  copy.out.tied_to = -1;
  const bool converted =
      forced_ && is_float(info.dtype) && *forced_ != info.dtype;
  if (converted) copy.out.dtype = *forced_;
  copy.rule = &find_row(rules(), converted ? "linear" : "first", "rule");
  copy.sources.push_back(
      {.ingredient = model, .tensor = tensor, .dtype = info.dtype});
  std::vector<std::string> none;
  copy.settings = rule_settings(*copy.rule, {}, "", none);
  tensors_.emplace(info.name, std::move(copy));
  return true;
}

Plan TensorMaker::finish() {
  mistakes_.check();
  Plan plan;
  plan.allow_nonfinite = recipe_.allow_nonfinite;
  for (auto& [name, tensor] : tensors_) {
    plan.tensors.push_back(std::move(tensor));
  }
  for (const auto& [kind, count] : dropped_) {
    plan.notices.push_back(std::to_string(count) + " tensors like '" + kind +
                           "', which only some models store, are left out");
  }
  return plan;
}

}  // namespace soup
