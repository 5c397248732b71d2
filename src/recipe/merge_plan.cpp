#include "recipe/merge_plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/text.h"
#include "recipe/merge_config.h"
#include "recipe/merge_idle.h"
#include "recipe/merge_models.h"
#include "recipe/merge_tensor.h"
#include "recipe/portions.h"
#include "soup/error.h"

namespace soup {
namespace {

/// One slice while it is planned.
struct Cut {
  const MergeModule& module;
  const MergeSlice& slice;
  std::vector<MergeSource> sources;  ///< with the base model
};

class MergePlanner {
 public:
  MergePlanner(const Recipe& recipe,
               std::span<const Checkpoint* const> ingredients)
      : config_(*recipe.merge),
        ingredients_(ingredients),
        mistakes_(config_.where) {
    for (size_t k = 0; k < ingredients.size(); ++k) {
      models_.emplace_back(recipe.ingredients[k], *ingredients[k]);
    }
    maker_.emplace(recipe, models_, mistakes_);
  }

  Plan make() {
    for (const MergeModule& module : config_.modules) {
      if (module.whole) {
        plan_whole(module);
      } else {
        plan_slices(module);
      }
    }
    mistakes_.check();
    copy_other_modules();
    Plan plan = maker_->finish();
    warn_of_idle(config_, plan);
    if (!copied_.empty()) plan.notices.push_back(copied_);
    plan.inferred.assign(inferred_.begin(), inferred_.end());
    count_bytes(plan, ingredients_);
    return plan;
  }

 private:
  // The sources of a slice and, where no source is the base model, that.
  Cut cut(const MergeModule& module, const MergeSlice& slice) {
    Cut made = {module, slice, slice.sources};
    const std::optional<size_t> base = slice.base ? slice.base : config_.base;
    if (!base) return made;
    for (const MergeSource& source : slice.sources) {
      if (source.model == *base) return made;
    }
    const auto& layers = slice.sources.front().layers;
    for (const MergeSource& source : slice.sources) {
      if (source.layers == layers) continue;
      mistakes_.add(slice.line, "name the layers of the base model " +
                                    models_[*base].name() +
                                    " in a source of this slice");
      return made;
    }
    if (maker_->wants_base() || slice.sources.size() > 1 || module.whole) {
      made.sources.push_back({.model = *base, .layers = layers});
    }
    return made;
  }

  // A tensor of the same name in every source.
  void add_by_name(const Cut& cut, const TensorInfo& tensor, double t,
                   double depth) {
    std::vector<Input> inputs;
    for (const MergeSource& source : cut.sources) {
      inputs.push_back({&source, models_[source.model].find(tensor)});
    }
    maker_->add(tensor.name, {cut.module, cut.slice, inputs, t, depth});
  }

  // Tensors of all sources for which `wanted` holds, by name.
  template <typename Wanted>
  std::vector<const TensorInfo*> tensors_of(const Cut& cut, Wanted wanted) {
    std::vector<const TensorInfo*> found;
    std::set<std::string_view> names;
    for (const MergeSource& source : cut.sources) {
      for (const TensorInfo& tensor : models_[source.model].file().tensors()) {
        if (in_module(cut.module.name, tensor.name) &&
            wanted(models_[source.model], tensor) &&
            names.insert(tensor.name).second) {
          found.push_back(&tensor);
        }
      }
    }
    return found;
  }

  static double place_of(int64_t layer, int64_t count) {
    return count <= 1
               ? 1
               : static_cast<double>(layer) / static_cast<double>(count - 1);
  }

  void plan_whole(const MergeModule& module) {
    const Cut whole = cut(module, module.slices.front());
    const MergeModel& first = models_[whole.sources.front().model];
    for (const LayerStack& stack : first.layers().stacks()) {
      note_stack(first, stack);
    }
    const auto all = [](const MergeModel&, const TensorInfo&) { return true; };
    const auto tensors = tensors_of(whole, all);
    if (tensors.empty() && !module.name.empty()) {
      mistakes_.add(module.line, first.name() + " has " +
                                     no_module(module.name, first.file()));
    }
    for (const TensorInfo* tensor : tensors) {
      double t = 0;
      double depth = -1;
      if (const auto place = first.layers().locate(tensor->name)) {
        t = place_of(place->layer, first.layers().stacks()[place->stack].count);
        depth = t;
      }
      add_by_name(whole, *tensor, t, depth);
    }
  }

  void plan_slices(const MergeModule& module) {
    std::vector<Cut> cuts;
    for (const MergeSlice& slice : module.slices) {
      cuts.push_back(cut(module, slice));
    }
    std::map<size_t, size_t> stacks;  // of models
    for (const Cut& part : cuts) {
      for (const MergeSource& source : part.sources) {
        if (stacks.contains(source.model)) continue;
        const MergeModel& model = models_[source.model];
        stacks[source.model] = model.layers().main(module.name);
        note_stack(model, model.layers().stacks()[stacks[source.model]]);
      }
    }
    const size_t first = cuts.front().sources.front().model;
    const std::string prefix =
        models_[first].layers().stacks()[stacks[first]].prefix;
    int64_t total = 0;
    for (const Cut& part : cuts) total += length(part, stacks);
    int64_t layer = 0;
    for (const Cut& part : cuts) {
      layer += plan_slice(part, stacks, {prefix, total}, layer);
    }
    plan_outside(cuts.front(), cuts.back(), stacks);
  }

  LayerRange range_of(const MergeSource& source, const LayerStack& stack) {
    const LayerRange all = {0, stack.count};
    if (!source.layers) return all;
    if ((*source.layers)[1] <= stack.count) return *source.layers;
    mistakes_.add(source.line,
                  "layer_range [" + std::to_string((*source.layers)[0]) + ", " +
                      std::to_string((*source.layers)[1]) + "] is past the " +
                      "end: " + models_[source.model].name() + " has " +
                      std::to_string(stack.count) + " layers (" +
                      printable(stack.prefix) + "0 to " +
                      std::to_string(stack.count - 1) + ")");
    return all;
  }

  int64_t length(const Cut& part, const std::map<size_t, size_t>& stacks) {
    const MergeSource& source = part.sources.front();
    const auto& known = models_[source.model].layers().stacks();
    const LayerRange range = range_of(source, known[stacks.at(source.model)]);
    return range[1] - range[0];
  }

  // Layers of the output from `offset` on; returns how many.
  int64_t plan_slice(const Cut& part, const std::map<size_t, size_t>& stacks,
                     const LayerStack& out, int64_t offset) {
    std::vector<LayerRange> ranges;
    for (const MergeSource& source : part.sources) {
      const auto& known = models_[source.model].layers().stacks();
      ranges.push_back(range_of(source, known[stacks.at(source.model)]));
    }
    const int64_t count = ranges.front()[1] - ranges.front()[0];
    for (size_t k = 0; k < ranges.size(); ++k) {
      if (ranges[k][1] - ranges[k][0] == count) continue;
      mistakes_.add(part.sources[k].line,
                    models_[part.sources[k].model].name() + " gives " +
                        std::to_string(ranges[k][1] - ranges[k][0]) +
                        " layers, the first source of the slice " +
                        std::to_string(count));
      return count;
    }
    for (int64_t l = 0; l < count; ++l) {
      std::set<std::string> rests;
      for (size_t k = 0; k < ranges.size(); ++k) {
        const size_t model = part.sources[k].model;
        const auto& found =
            models_[model].layer(stacks.at(model), ranges[k][0] + l);
        rests.insert(found.begin(), found.end());
      }
      for (const std::string& rest : rests) {
        std::vector<Input> inputs;
        for (size_t k = 0; k < ranges.size(); ++k) {
          const MergeModel& model = models_[part.sources[k].model];
          const std::string name =
              model.layers().stacks()[stacks.at(part.sources[k].model)].prefix +
              std::to_string(ranges[k][0] + l) + rest;
          inputs.push_back({&part.sources[k], model.file().find(name)});
        }
        maker_->add(out.prefix + std::to_string(offset + l) + rest,
                    {part.module, part.slice, inputs, place_of(l, count),
                     place_of(offset + l, out.count)});
      }
    }
    return count;
  }

  // Embeddings of the first slice's sources, norms and heads of the last's.
  void plan_outside(const Cut& first, const Cut& last,
                    const std::map<size_t, size_t>& stacks) {
    const auto outside = [&](const Cut& cut, bool before) {
      const auto wanted = [&](const MergeModel& model,
                              const TensorInfo& tensor) {
        const auto place = model.layers().locate(tensor.name);
        const auto index = static_cast<size_t>(&model - models_.data());
        return (!place || place->stack != stacks.at(index)) &&
               is_before_layers(tensor.name) == before;
      };
      for (const TensorInfo* tensor : tensors_of(cut, wanted)) {
        inferred_.insert(
            (before ? "before the layers: " : "after the layers: ") +
            printable(tensor->name));
        add_by_name(cut, *tensor, 0, -1);
      }
    };
    outside(first, true);
    outside(last, false);
  }

  // Tensors of no module that the recipe names.
  void copy_other_modules() {
    if (config_.modules.size() == 1 && config_.modules.front().name.empty()) {
      return;
    }
    const size_t from = config_.base.value_or(
        config_.modules.front().slices.front().sources.front().model);
    size_t copied = 0;
    for (size_t i = 0; i < models_[from].file().tensors().size(); ++i) {
      copied += maker_->copy_if_new(from, i) ? 1 : 0;
    }
    if (copied > 0) {
      copied_ = std::to_string(copied) +
                " tensors of no module that the recipe names are copied from " +
                models_[from].name();
    }
  }

  void note_stack(const MergeModel& model, const LayerStack& stack) {
    inferred_.insert(model.name() + ": " + std::to_string(stack.count) +
                     " layers, " + printable(stack.prefix) + "0 to " +
                     std::to_string(stack.count - 1));
  }

  const MergeConfig& config_;
  std::span<const Checkpoint* const> ingredients_;
  std::vector<MergeModel> models_;
  MergeMistakes mistakes_;
  std::optional<TensorMaker> maker_;
  std::set<std::string> inferred_;
  std::string copied_;  // notice of copy_other_modules
};

}  // namespace

Plan plan_merge(const Recipe& recipe,
                std::span<const Checkpoint* const> ingredients) {
  return MergePlanner(recipe, ingredients).make();
}

}  // namespace soup
