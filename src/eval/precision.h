#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>

#include "soup/eval.h"
#include "soup/model.h"

namespace soup {

/// What `--precision` asks for.
struct Precision {
  at::ScalarType type = at::kFloat;  ///< of weights and activations
  bool tf32 = false;                 ///< products of a GPU with 10 bits
  bool recheck = false;  ///< float32 decides what is too close to call

  bool fast() const { return type != at::kFloat || tf32; }
};

/// "fp32", "bf16", "fp16", "tf32", and "bf16-only" and so on. Throws
/// UsageError for another word, for tf32 without a GPU, and for a metric whose
/// terms are no counts where float32 is to decide.
Precision read_precision(const EvaluatorOptions& options,
                         const at::Device& device);

/// Throws UsageError where float32 decides some examples but not others.
void check_keeps_logits(const Precision& precision,
                        const EvaluatorOptions& options);

/// make_model() with weights of `type`.
std::unique_ptr<Model> make_model_of(at::ScalarType type,
                                     const EvaluatorOptions& options,
                                     const Checkpoint& like,
                                     const at::Device& device);

/// While it lives a GPU's products have 10 bits, if `on`.
class Tf32Guard {
 public:
  explicit Tf32Guard(bool on);
  ~Tf32Guard();
  Tf32Guard(const Tf32Guard&) = delete;
  Tf32Guard& operator=(const Tf32Guard&) = delete;

 private:
  bool on_;
};

/// How far apart the difference of two fast logits may be from that of the
/// exact ones: twice what a sample shows. Infinite when one is no number.
float error_band(std::span<const float> fast, std::span<const float> exact);

/// True when logits that are off by so much might give another class or
/// another term of `metric`.
bool is_close(std::span<const float> logits, int32_t label, float band,
              const Metric& metric);

}  // namespace soup
