#include "recipe/blend.h"

#include <algorithm>
#include <array>
#include <utility>

#include "recipe/kernels.h"
#include "recipe/runs.h"

namespace soup {
namespace {

// Adds values [at, at + n) of the run with the factors of one group.
void add_group(const Run& run, size_t at, size_t n, const double* factors,
               double* out) {
  const std::vector<Source>& sources = run.piece.tensor.sources;
  bool first = true;
  for (size_t k = 0; k < sources.size(); ++k) {
    if (factors[k] == 0) continue;
    const DType dtype = sources[k].dtype;
    const std::byte* in =
        run.piece.source(k) + (run.begin + at) * item_bytes(dtype);
    kernels().accumulate[static_cast<size_t>(float_format(dtype))](
        in, n, factors[k], first, out + at);
    first = false;
  }
  if (first) std::fill_n(out + at, n, 0.0);
}

void add_rows(const Run& run, const Blend& blend, double* out) {
  const size_t count = run.piece.tensor.sources.size();
  for (size_t at = 0; at < run.n;) {
    const int64_t element = run.element() + static_cast<int64_t>(at);
    const int64_t row = element / blend.width;
    const auto left = static_cast<size_t>((row + 1) * blend.width - element);
    const size_t n = std::min(left, run.n - at);
    add_group(run, at, n, &blend.factors[static_cast<size_t>(row) * count],
              out);
    at += n;
  }
}

void add_columns(const Run& run, const Blend& blend, double* out) {
  const size_t count = run.piece.tensor.sources.size();
  std::fill_n(out, run.n, 0.0);
  std::array<double, kRun> values;
  for (size_t k = 0; k < count; ++k) {
    run.read(k, values.data());
    auto column = static_cast<size_t>(run.element() % blend.width);
    for (size_t i = 0; i < run.n; ++i) {
      const double factor = blend.factors[column * count + k];
      if (factor != 0) out[i] += factor * values[i];
      if (++column == static_cast<size_t>(blend.width)) column = 0;
    }
  }
}

}  // namespace

std::unique_ptr<const Prepared> blend(std::vector<double> factors) {
  auto made = std::make_unique<Blend>();
  made->factors = std::move(factors);
  return made;
}

void make_blend(Piece& piece, const Blend& blend) {
  make_runs(piece, [&](const Run& run, double* out) {
    if (blend.groups == Blend::Groups::kColumns) {
      add_columns(run, blend, out);
      return;
    }
    if (blend.groups == Blend::Groups::kRows) {
      add_rows(run, blend, out);
    } else {
      add_group(run, 0, run.n, blend.factors.data(), out);
    }
    if (kernels().all_finite(out, run.n)) return;
    // A sum is finite only if all its terms are: whose are not?
    std::array<double, kRun> values;
    for (size_t k = 0; k < piece.tensor.sources.size(); ++k) {
      run.read(k, values.data());
    }
  });
}

void make_blend(Piece& piece) { make_blend(piece, prepared<Blend>(piece)); }

std::vector<double> with_base(const PlannedTensor& tensor,
                              const std::vector<double>& of_donors) {
  std::vector<double> factors;
  double rest = 1;
  for (double factor : of_donors) rest -= factor;
  for (size_t k = 0, donor = 0; k < tensor.sources.size(); ++k) {
    factors.push_back(tensor.base == k ? rest : of_donors[donor++]);
  }
  return factors;
}

int64_t row_width(const TensorInfo& tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape.back();
}

}  // namespace soup
