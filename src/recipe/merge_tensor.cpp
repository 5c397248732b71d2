#include "recipe/merge_tensor.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/table.h"
#include "core/text.h"
#include "recipe/kinds.h"
#include "recipe/piece.h"
#include "recipe/promote.h"
#include "recipe/settings.h"
#include "soup/error.h"

namespace soup {
namespace {

// Constants that older libraries stored with the weights and newer compute.
constexpr std::array kBuffers = {"rotary_emb.inv_freq", "attn.masked_bias",
                                 "embeddings.position_ids"};

bool same_kind_of_rows(const TensorInfo& a, const TensorInfo& b) {
  return a.shape.size() == b.shape.size() && !a.shape.empty() &&
         std::equal(a.shape.begin() + 1, a.shape.end(), b.shape.begin() + 1);
}

}  // namespace

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
    return find_row(rules(), copying_rule(recipe_, name, natural), "rule");
  }
  for (const NamedChoice& choice : config_.rules) {
    if (filter_matches(choice.filter, name)) {
      return find_row(rules(), choice.value, "rule");
    }
  }
  return find_row(rules(), config_.rules.back().value, "rule");
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
  mistakes_.add_tensor(input.source->line,
                       models_[input.source->model].name() +
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
          input.source->line,
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
      mistakes_.add_tensor(input.source->line,
                           models_[input.source->model].name() + ": is " +
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
    if (recipe_.numerics == Numerics::kMergekit && !tensor.rule->per_op &&
        tensor.sources.size() > 1) {
      mistakes_.add_tensor(
          0,
          "numerics 'mergekit' are for linear and rules on task vectors, not "
          "for '" +
              std::string(tensor.rule->name) + "'",
          name);
    }
    tensor.work = work_dtype(recipe_, natural);
    set_settings(tensor, mixture, name);
    set_weights(tensor, mixture, name);
    if (forced_ && is_float(natural)) tensor.out.dtype = *forced_;
  } else if (tensor.rule->name == "first") {
    tensor.sources.resize(1);
  }
  if (!tensor.rule->makes(natural)) {
    mistakes_.add_tensor(mixture.slice.line,
                         "rule '" + std::string(tensor.rule->name) +
                             "' cannot make " +
                             std::string(soup::name(natural)),
                         name);
  }
  if (!tensors_.emplace(name, std::move(tensor)).second) {
    mistakes_.add_tensor(mixture.module.line, "made twice, by two modules",
                         name);
  }
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
