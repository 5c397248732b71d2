#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/pattern.h"
#include "core/table.h"
#include "core/text.h"
#include "recipe/compare.h"
#include "recipe/kinds.h"
#include "recipe/layers.h"
#include "recipe/merge_plan.h"
#include "recipe/parametrized.h"
#include "recipe/piece.h"
#include "recipe/portions.h"
#include "recipe/promote.h"
#include "recipe/settings.h"
#include "recipe/ties.h"
#include "recipe/weights.h"
#include "soup/error.h"
#include "soup/recipe.h"

namespace soup {
namespace {

// Which tensors are mixed, by name.
class Filter {
 public:
  explicit Filter(const Recipe& recipe)
      : include_(compile("include", recipe.include)),
        exclude_(compile("exclude", recipe.exclude)) {}

  bool takes(const std::string& name) const {
    if (include_ && !include_->found_in(name)) return false;
    return !exclude_ || !exclude_->found_in(name);
  }

 private:
  static std::optional<Pattern> compile(const std::string& option,
                                        const std::string& pattern) {
    if (pattern.empty()) return std::nullopt;
    return Pattern(option, pattern);
  }

  std::optional<Pattern> include_;
  std::optional<Pattern> exclude_;
};

class Planner {
 public:
  Planner(const Recipe& recipe, std::span<const Checkpoint* const> ingredients)
      : recipe_(recipe),
        ingredients_(ingredients),
        first_(*ingredients.front()),
        rule_(find_row(rules(), recipe.rule, "rule")),
        settings_(fill_settings(recipe, rule_)),
        models_(rule_.has_companions ? ingredients.size() / 2
                                     : ingredients.size()),
        forced_(forced_dtype(recipe.dtype)),
        filter_(recipe),
        mistakes_(first_) {
    check_weights(recipe, "recipe");
    if (rule_.by_depth) layers_.emplace(first_, nlohmann::ordered_json());
  }

  Plan make() {
    const std::span<const TensorInfo> tensors = first_.tensors();
    plan_.allow_nonfinite = recipe_.allow_nonfinite;
    for (size_t i = 0; i < tensors.size(); ++i) {
      plan_.tensors.push_back(
          {.out = tensors[i], .rule = nullptr, .sources = {}});
      plan_.tensors.back().out.tied_to = -1;
      mixed_.push_back(filter_.takes(tensors[i].name));
      add_source(i, 0, i);
    }
    for (size_t k = 1; k < ingredients_.size(); ++k) compare(k);
    mistakes_.check();
    for (size_t i = 0; i < tensors.size(); ++i) choose(i);
    plan_.notices = tie_tensors(plan_, ingredients_, mixed_);
    if (std::string factors = factors_notice(first_);
        !factors.empty() && models_ > 1) {
      plan_.notices.push_back(std::move(factors));
    }
    count_bytes(plan_, ingredients_);
    return std::move(plan_);
  }

 private:
  void add_source(size_t tensor, size_t k, size_t index) {
    plan_.tensors[tensor].sources.push_back(
        {.ingredient = k,
         .tensor = index,
         .dtype = ingredients_[k]->tensors()[index].dtype});
  }

  void compare(size_t k) {
    const Checkpoint& other = *ingredients_[k];
    const std::span<const TensorInfo> tensors = first_.tensors();
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (!mixed_[i]) continue;
      const std::optional<size_t> index = find_tied(other, first_, i);
      if (!index) {
        mistakes_.missing(tensors[i].name);
        continue;
      }
      const TensorInfo& found = other.tensors()[*index];
      DType& out = plan_.tensors[i].out.dtype;
      const std::optional<DType> both = promote(out, found.dtype);
      if (found.shape != tensors[i].shape) {
        mistakes_.shape(tensors[i], found);
      } else if (!both) {
        mistakes_.dtype(tensors[i], found);
      } else {
        if (k < models_) out = *both;
        add_source(i, k, *index);
      }
    }
    for (size_t i = 0; i < other.tensors().size(); ++i) {
      const TensorInfo& tensor = other.tensors()[i];
      if (first_.find(tensor.name) || !filter_.takes(tensor.name)) continue;
      if (is_alias_of_known(other, first_, i)) continue;
      mistakes_.extra(tensor.name);
    }
    mistakes_.finish(other);
  }

  // Sets rule and final type of output tensor `i`.
  void choose(size_t i) {
    PlannedTensor& tensor = plan_.tensors[i];
    const DType natural = tensor.out.dtype;
    const bool mask = mixed_[i] && is_pruning_mask(first_, tensor.out);
    if (forced_ && is_float(natural) && !mask) tensor.out.dtype = *forced_;
    const bool converted = tensor.out.dtype != natural;
    std::string_view name = recipe_.rule;
    if (!mixed_[i]) {
      name = converted ? "linear" : "first";
    } else if (mask) {
      name = "equal";
    } else if (!rule_.makes(natural) && !is_averaged(natural)) {
      name = copying_rule(recipe_, tensor.out.name, natural);
    }
    tensor.rule = &find_row(rules(), name, "rule");
    if (!tensor.rule->makes(natural) || (converted && tensor.rule->copies)) {
      throw UsageError("rule '" + std::string(name) + "' cannot make " +
                       quoted(tensor.out) + ", which is " +
                       std::string(soup::name(natural)));
    }
    if (name == "first") tensor.sources.resize(1);
    if (mixed_[i] && tensor.rule == &rule_) set_numbers(tensor, natural);
  }

  void set_numbers(PlannedTensor& tensor, DType natural) {
    const std::vector<double> weights = weights_of(recipe_, tensor.out.name);
    for (size_t k = 0; k < tensor.sources.size(); ++k) {
      tensor.sources[k].weight = weights[k];
      tensor.sources[k].settings = settings_.models[k];
    }
    if (rule_.base != BaseModel::kIgnored) tensor.base = recipe_.base;
    tensor.settings = settings_.rule;
    tensor.seed = recipe_.seed;
    tensor.numerics = recipe_.numerics;
    tensor.work = work_dtype(recipe_, natural);
    if (layers_) tensor.settings["depth"] = depth(tensor.out.name);
  }

  // 0 for the first layer to 1 for the last, -1 outside of layers.
  double depth(const std::string& name) const {
    const std::optional<LayerPlace> place = layers_->locate(name);
    if (!place) return -1;
    const int64_t count = layers_->stacks()[place->stack].count;
    return count <= 1 ? 1
                      : static_cast<double>(place->layer) /
                            static_cast<double>(count - 1);
  }

  const Recipe& recipe_;
  std::span<const Checkpoint* const> ingredients_;
  const Checkpoint& first_;
  const Rule& rule_;
  FilledSettings settings_;
  size_t models_;  // the rest are their companions
  std::optional<Layers> layers_;
  std::optional<DType> forced_;
  Filter filter_;
  Mistakes mistakes_;
  std::vector<bool> mixed_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const Recipe& recipe,
               std::span<const Checkpoint* const> ingredients) {
  if (ingredients.empty()) throw UsageError("a soup needs an ingredient");
  if (ingredients.size() != recipe.ingredients.size()) {
    throw UsageError(
        "the recipe has " + std::to_string(recipe.ingredients.size()) +
        " ingredients, opened are " + std::to_string(ingredients.size()));
  }
  if (recipe.merge != nullptr) return plan_merge(recipe, ingredients);
  return Planner(recipe, ingredients).make();
}

}  // namespace soup
