#include <algorithm>
#include <array>
#include <cmath>

#include "recipe/rounding.h"
#include "recipe/rule_bodies.h"
#include "recipe/runs.h"

namespace soup {

// mergekit 0.1.5: products are fused into a float32 sum (float64 for float64),
// which is divided and rounded.
void make_linear_per_operation(Piece& piece) {
  const PlannedTensor& tensor = piece.tensor;
  const Rounding rounding(tensor);
  const bool wide = tensor.work == DType::kF64;
  const auto normalize = tensor.settings.find("normalize");
  double divisor = 0;
  for (const Source& source : tensor.sources) {
    divisor = rounding.sum(divisor + rounding.sum(source.weight));
  }
  if (normalize != tensor.settings.end() && normalize->second == 0) divisor = 1;
  std::array<double, kRun> x;
  make_runs(piece, [&](const Run& run, double* out) {
    std::fill_n(out, run.n, 0.0);
    for (size_t k = 0; k < tensor.sources.size(); ++k) {
      run.read(k, x.data());
      rounding(x.data(), run.n);
      const double weight = rounding.sum(tensor.sources[k].weight);
      for (size_t i = 0; i < run.n; ++i) {
        out[i] = wide ? std::fma(x[i], weight, out[i])
                      : std::fma(static_cast<float>(x[i]),
                                 static_cast<float>(weight),
                                 static_cast<float>(out[i]));
      }
    }
    for (size_t i = 0; i < run.n; ++i) out[i] /= divisor;
    rounding(out, run.n);
  });
}

}  // namespace soup
