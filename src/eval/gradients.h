#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "eval/crew.h"
#include "eval/resident.h"
#include "soup/eval.h"
#include "soup/model.h"

namespace soup {

/// Differentiates the loss of a resident model on resident examples.
class Gradients : public GradientSource {
 public:
  /// `unit`: examples of one forward and backward pass; fewer once they did not
  /// fit. All that is borrowed must outlive this object.
  Gradients(Model& model, Crew& crew, const Resident& data, int64_t unit);

  int64_t examples() const override { return data_.examples().count; }
  LossSlope differentiate(const Checkpoint& weights,
                          std::span<const int64_t> which,
                          double factor) override;

 private:
  /// Sums over some examples.
  struct Part {
    double loss = 0;
    double by_factor = 0;
    std::vector<at::Tensor> slopes;  ///< by parameter; undefined: zero
  };

  Part sum_of(std::span<const int64_t> which, double factor) const;
  Part part_of(std::span<const int64_t> which, double factor) const;
  at::Tensor project(const at::Tensor& outputs) const;
  at::Tensor labels_of(std::span<const int64_t> which,
                       const at::Tensor& logits) const;

  Model& model_;
  Crew& crew_;
  const Resident& data_;
  int64_t unit_;
  std::vector<Parameter> parameters_;
};

}  // namespace soup
