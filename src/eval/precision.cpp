#include "eval/precision.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/DefaultDtype.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/table.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A row of the table of precisions.
struct PrecisionRow {
  std::string_view name;
  Precision precision;
};

constexpr std::array kPrecisions = {
    PrecisionRow{"fp32", {}},
    PrecisionRow{"bf16", {.type = at::kBFloat16, .recheck = true}},
    PrecisionRow{"fp16", {.type = at::kHalf, .recheck = true}},
    PrecisionRow{"tf32", {.tf32 = true, .recheck = true}},
    PrecisionRow{"bf16-only", {.type = at::kBFloat16}},
    PrecisionRow{"fp16-only", {.type = at::kHalf}},
    PrecisionRow{"tf32-only", {.tf32 = true}},
};

/// While it lives, new weights are of this type.
class DefaultType {
 public:
  explicit DefaultType(at::ScalarType type)
      : before_(c10::get_default_dtype()) {
    c10::set_default_dtype(c10::scalarTypeToTypeMeta(type));
  }
  ~DefaultType() { c10::set_default_dtype(before_); }
  DefaultType(const DefaultType&) = delete;
  DefaultType& operator=(const DefaultType&) = delete;

 private:
  caffe2::TypeMeta before_;
};

}  // namespace

Precision read_precision(const EvaluatorOptions& options,
                         const at::Device& device) {
  const PrecisionRow& row = find_row(std::span<const PrecisionRow>(kPrecisions),
                                     options.precision, "precision");
  const std::string option = "--precision " + options.precision + ": ";
  if (row.precision.tf32 && !device.is_cuda()) {
    throw UsageError(option + "only NVIDIA GPUs have it");
  }
  if (row.precision.recheck && !find_metric(options.metric).counts) {
    throw UsageError(option + "'" + options.metric +
                     "' counts no examples, so none can be rechecked; " +
                     options.precision + "-only scores without");
  }
  if (options.logits) check_keeps_logits(row.precision, options);
  return row.precision;
}

void check_keeps_logits(const Precision& precision,
                        const EvaluatorOptions& options) {
  if (!precision.recheck) return;
  throw UsageError("--precision " + options.precision +
                   ": logits that are kept are of one precision: fp32, or " +
                   options.precision + "-only");
}

std::unique_ptr<Model> make_model_of(at::ScalarType type,
                                     const EvaluatorOptions& options,
                                     const Checkpoint& like,
                                     const at::Device& device) {
  const DefaultType weights_are(type);
  return make_model(options.model, like, device, options.head);
}

Tf32Guard::Tf32Guard(bool on) : on_(on) {
  if (!on_) return;
  at::globalContext().setAllowTF32CuBLAS(true);
  at::globalContext().setAllowTF32CuDNN(true);
}

Tf32Guard::~Tf32Guard() {
  if (!on_) return;
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
}

float error_band(std::span<const float> fast, std::span<const float> exact) {
  float most = 0;
  for (size_t i = 0; i < fast.size(); ++i) {
    const float error = std::abs(fast[i] - exact[i]);
    if (std::isnan(error)) return kInfinity;
    most = std::max(most, error);
  }
  // Both of two logits may be off, and by more than in the sample.
  return 2 * 2 * most;
}

bool is_close(std::span<const float> logits, int32_t label, float band,
              const Metric& metric) {
  float first = -kInfinity;
  float second = -kInfinity;
  for (const float logit : logits) {
    if (std::isnan(logit)) return true;
    if (logit > first) {
      second = first;
      first = logit;
    } else if (logit > second) {
      second = logit;
    }
  }
  if (!(first - second > band)) return true;
  std::vector<float> moved(logits.begin(), logits.end());
  float& own = moved[static_cast<size_t>(label)];
  own = logits[static_cast<size_t>(label)] + band;
  const double at_best = metric.term(moved, label);
  own = logits[static_cast<size_t>(label)] - band;
  return metric.term(moved, label) != at_best;
}

}  // namespace soup
