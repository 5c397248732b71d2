#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "recipe/blend.h"
#include "recipe/gram.h"
#include "recipe/rule_bodies.h"
#include "recipe/runs.h"

namespace soup {
namespace {

// Weiszfeld's iteration in the space of combinations. Distances have a floor,
// so that it does not stick to the first model it touches.
std::vector<double> geometric_median(const Gram& gram,
                                     const std::vector<double>& weights,
                                     double max_iter, double tol) {
  const size_t size = gram.size();
  double largest = 0;
  for (size_t i = 0; i < size; ++i) largest = std::max(largest, gram.norm(i));
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> at(size);
  for (size_t i = 0; i < size; ++i) at[i] = weights[i] / sum;
  const double floor = 1e-7 * largest;
  for (int step = 0; largest > 0 && step < static_cast<int>(max_iter); ++step) {
    std::vector<double> next(size);
    for (size_t i = 0; i < size; ++i) {
      std::vector<double> way = at;
      for (double& x : way) x = -x;
      way[i] += 1;
      next[i] = weights[i] / std::max(gram.norm(way), floor);
    }
    const double total = std::accumulate(next.begin(), next.end(), 0.0);
    double moved = 0;
    for (size_t i = 0; i < size; ++i) {
      next[i] /= total;
      moved = std::max(moved, std::fabs(next[i] - at[i]));
    }
    at = next;
    if (moved <= tol) break;
  }
  return at;
}

}  // namespace

PreparedPtr prepare_geometric_median(const WholeTensor& whole) {
  const PlannedTensor& tensor = whole.tensor();
  std::vector<size_t> all(tensor.sources.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<double> weights;
  for (const Source& source : tensor.sources) weights.push_back(source.weight);
  // From the first model on: differences keep the digits that count.
  return blend(geometric_median(gram(whole, {all, 0}), weights,
                                setting(tensor.settings, "max_iter"),
                                setting(tensor.settings, "tol")));
}

void make_trimmed_mean(Piece& piece) {
  const size_t count = piece.tensor.sources.size();
  const double trim = setting(piece.tensor.settings, "trim");
  const auto wanted =
      static_cast<size_t>(trim * static_cast<double>(count) + 1e-9);
  const size_t cut = std::min(wanted, (count - 1) / 2);
  std::vector<std::array<double, kRun>> values(count);
  std::vector<double> column(count);
  make_runs(piece, [&](const Run& run, double* out) {
    for (size_t k = 0; k < count; ++k) run.read(k, values[k].data());
    for (size_t i = 0; i < run.n; ++i) {
      for (size_t k = 0; k < count; ++k) column[k] = values[k][i];
      std::sort(column.begin(), column.end());
      // From the middle one: equal values stay what they are.
      const double middle = column[count / 2];
      double sum = 0;
      for (size_t k = cut; k < count - cut; ++k) sum += column[k] - middle;
      out[i] = middle + sum / static_cast<double>(count - 2 * cut);
    }
  });
}

}  // namespace soup
