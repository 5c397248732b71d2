#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "recipe/merge_config.h"
#include "recipe/merge_mistakes.h"
#include "recipe/merge_models.h"
#include "soup/recipe.h"

namespace soup {

/// A source of an output tensor.
struct Input {
  const MergeSource* source = nullptr;
  std::optional<size_t> tensor;  ///< of its model; nullopt: it has none
};

/// What is to be mixed into one tensor.
struct Mixture {
  const MergeModule& module;
  const MergeSlice& slice;
  std::vector<Input> inputs;
  double t = 0;       ///< place in the layers of the slice, for gradients
  double depth = -1;  ///< the same in the model; -1: outside of layers
};

/// Makes output tensors from their sources: parameters looked up, rule and
/// dtype chosen.
class TensorMaker {
 public:
  TensorMaker(const Recipe& recipe, const std::vector<MergeModel>& models,
              MergeMistakes& mistakes);

  /// Does some rule of the recipe need a base model?
  bool wants_base() const;
  void add(const std::string& name, const Mixture& mixture);
  /// A tensor as it is, unless there is one of its name.
  bool copy_if_new(size_t model, size_t tensor);
  /// Throws with every mistake. Tensors in the order of their names.
  Plan finish();

 private:
  void make(PlannedTensor& tensor, const std::string& name,
            const Mixture& mixture);
  const Rule& rule_of(const std::string& name, DType natural) const;
  std::optional<double> look_up(const std::string& parameter,
                                const Mixture& mixture,
                                const MergeSource* source,
                                const std::string& input,
                                const std::string& output) const;
  void set_weights(PlannedTensor& tensor, const Mixture& mixture,
                   const std::string& output);
  // Of a weighted mean: sources without weight go, equal weights become 1.
  void simplify_mean(PlannedTensor& tensor, const Mixture& mixture,
                     const std::string& output);
  void set_settings(PlannedTensor& tensor, const Mixture& mixture,
                    const std::string& output);
  bool skip_missing(const std::string& name, const Mixture& mixture,
                    const Input& input);

  const Recipe& recipe_;
  const MergeConfig& config_;
  const std::vector<MergeModel>& models_;
  MergeMistakes& mistakes_;
  std::optional<DType> forced_;
  std::map<std::string, PlannedTensor> tensors_;
  std::map<std::string, size_t> dropped_;  // kinds of buffers
};

}  // namespace soup
