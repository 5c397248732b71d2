#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "recipe/blend.h"
#include "recipe/linear.h"
#include "recipe/rule_bodies.h"
#include "recipe/runs.h"

/// Rules that look at nothing but one element of every source.
namespace soup {

// Where two models lie within t the other's value, else a step of t to it.
void make_nearswap(Piece& piece) {
  constexpr double kLeast = 1e-6;
  const size_t base = piece.tensor.base.value();
  const double t = setting(piece.tensor.settings, "t");
  std::array<double, kRun> a;
  std::array<double, kRun> b;
  make_runs(piece, [&](const Run& run, double* out) {
    run.read(base, a.data());
    run.read(1 - base, b.data());
    for (size_t i = 0; i < run.n; ++i) {
      const double apart = std::max(std::fabs(a[i] - b[i]), kLeast);
      const double share = std::clamp(t / apart, 0.0, 1.0);
      out[i] = share * b[i] + (1 - share) * a[i];
    }
  });
}

void make_passthrough(Piece& piece) {
  if (!is_float(piece.tensor.out.dtype)) {
    make_linear(piece);
    return;
  }
  const double scale = setting(piece.tensor.sources[0].settings, "scale");
  Blend blend;
  blend.factors = {scale};
  make_blend(piece, blend);
}

// Merging Models with Fisher-Weighted Averaging, arXiv:2111.09832, section 3:
// sum w F x / sum w F, from the first model on, so that equal values stay.
void make_fisher(Piece& piece) {
  const std::vector<Source>& sources = piece.tensor.sources;
  const size_t count = sources.size() / 2;
  const double floor = setting(piece.tensor.settings, "floor");
  std::array<double, kRun> first;
  std::array<double, kRun> x;
  std::array<double, kRun> precision;
  std::array<double, kRun> sum;
  make_runs(piece, [&](const Run& run, double* out) {
    run.read(0, first.data());
    sum.fill(0);
    std::fill_n(out, run.n, 0.0);
    for (size_t k = 0; k < count; ++k) {
      run.read(k, x.data());
      run.read(count + k, precision.data());
      const double weight = sources[k].weight;
      for (size_t i = 0; i < run.n; ++i) {
        if (precision[i] < 0) ++piece.findings.negative[count + k];
        const double share = weight * std::max(precision[i], floor);
        out[i] += share * (x[i] - first[i]);
        sum[i] += share;
      }
    }
    for (size_t i = 0; i < run.n; ++i) {
      out[i] = sum[i] > 0 ? first[i] + out[i] / sum[i] : first[i];
    }
  });
}

}  // namespace soup
