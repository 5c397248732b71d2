#include <algorithm>
#include <array>
#include <cmath>

#include "recipe/blend.h"
#include "recipe/gram.h"
#include "recipe/rule_bodies.h"
#include "recipe/runs.h"

namespace soup {
namespace {

// How far from the base towards the mean of the donors: arXiv:2403.19522, with
// the mean cosine over all pairs for more than two. Never away from them.
double ratio(const Gram& gram) {
  const size_t size = gram.size();
  const auto count = static_cast<double>(size);
  double cosine = 0;
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = i + 1; j < size; ++j) cosine += gram.cosine(i, j);
  }
  cosine /= count * (count - 1) / 2;
  const double below = 1 + (count - 1) * cosine;
  if (std::fabs(below) < 1e-6) return 0;
  return std::clamp(count * cosine / below, 0.0, 1.0);
}

// The same with one cosine for all pairs, the mean product over the mean
// square, in which long vectors count more than short ones. With A = |sum
// tau|^2 and Q = sum |tau|^2 it is N / (N - 1) (1 - Q / A).
double ratio_of_sums(const Gram& gram) {
  const auto count = static_cast<double>(gram.size());
  const std::vector<double> ones(gram.size(), 1.0);
  const double of_sum = gram.dot(ones, ones);
  double squares = 0;
  for (size_t i = 0; i < gram.size(); ++i) squares += gram.at(i, i);
  if (!(of_sum > 0)) return 0;
  return std::clamp(count / (count - 1) * (1 - squares / of_sum), 0.0, 1.0);
}

std::vector<double> factors(const PlannedTensor& tensor, const Gram& gram) {
  const bool sums = setting(tensor.settings, "ratio_of_sums") != 0;
  const double each = (sums ? ratio_of_sums(gram) : ratio(gram)) /
                      static_cast<double>(gram.size());
  return with_base(tensor, std::vector<double>(gram.size(), each));
}

}  // namespace

PreparedPtr prepare_model_stock(const WholeTensor& whole) {
  const PlannedTensor& tensor = whole.tensor();
  const Vectors vectors = {donors(tensor), tensor.base};
  if (setting(tensor.settings, "filter_wise") == 0) {
    return blend(factors(tensor, gram(whole, vectors)));
  }
  auto made = std::make_unique<Blend>();
  made->groups = Blend::Groups::kRows;
  made->width = row_width(tensor.out);
  for (const Gram& row : row_grams(whole, vectors, made->width)) {
    const std::vector<double> of_row = factors(tensor, row);
    made->factors.insert(made->factors.end(), of_row.begin(), of_row.end());
  }
  return made;
}

}  // namespace soup
