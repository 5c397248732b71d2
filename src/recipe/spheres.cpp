#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>

#include "recipe/blend.h"
#include "recipe/gram.h"
#include "recipe/rule_bodies.h"
#include "recipe/runs.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr double kParallel = 0.9995;  // cosine from which slerp is a line

struct Pair {
  double a = 0;
  double b = 0;
};

// Factors of two vectors on the arc between their directions. A zero vector has
// no direction: then it is the straight line.
Pair arc(const Gram& gram, double t, double parallel) {
  const Pair line = {1 - t, t};
  if (gram.norm(0) == 0 || gram.norm(1) == 0) return line;
  const double cosine = gram.cosine(0, 1);
  const double theta = std::acos(cosine);
  const double sine = std::sin(theta);
  if (std::fabs(cosine) > parallel || sine == 0) return line;
  return {std::sin((1 - t) * theta) / sine, std::sin(t * theta) / sine};
}

// In the space of combinations of vectors: a + f b.
void add(std::vector<double>& a, double f, const std::vector<double>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += f * b[i];
}

void scale(std::vector<double>& a, double f) {
  for (double& x : a) x *= f;
}

// One step along `tangent` on the unit sphere, from `at`.
void move(const Gram& gram, std::vector<double>& at,
          const std::vector<double>& tangent, double length) {
  scale(at, std::cos(length));
  add(at, std::sin(length) / length, tangent);
  const double norm = gram.norm(at);
  if (norm > 0) scale(at, 1 / norm);
}

// Riemannian mean of the directions by gradient steps, arXiv:2603.04972.
std::vector<double> karcher(const Gram& gram, double max_iter, double tol) {
  const size_t size = gram.size();
  std::vector<std::vector<double>> units;
  double length = 0;
  for (size_t i = 0; i < size; ++i) {
    length += gram.norm(i) / static_cast<double>(size);
    if (gram.norm(i) <= tol) continue;
    units.emplace_back(size)[i] = 1 / gram.norm(i);
  }
  std::vector<double> at(size);
  if (units.empty()) return at;
  const double share = 1 / static_cast<double>(units.size());
  for (const auto& unit : units) add(at, share, unit);
  const double norm = gram.norm(at);
  if (norm < tol) {
    at = units.front();
  } else {
    scale(at, 1 / norm);
  }
  for (int step = 0; step < static_cast<int>(max_iter); ++step) {
    std::vector<double> tangent(size);
    for (const auto& unit : units) {
      const double cosine = std::clamp(gram.dot(at, unit), -1.0, 1.0);
      const double theta = std::acos(cosine);
      const double sine = std::sin(theta);
      if (theta < tol || sine < tol) continue;  // there, or opposite
      add(tangent, share * theta / sine, unit);
      add(tangent, -share * theta / sine * cosine, at);
    }
    const double rest = gram.norm(tangent);
    if (rest < tol || rest == 0) break;
    move(gram, at, tangent, rest);
  }
  scale(at, length);
  return at;
}

std::vector<double> weights_of(const WholeTensor& whole,
                               const std::vector<size_t>& sources) {
  std::vector<double> weights;
  for (size_t k : sources) {
    weights.push_back(whole.tensor().sources[k].weight);
  }
  return weights;
}

// Weighted mean of the directions, then its way on the sphere.
std::vector<double> multislerp(const Gram& gram,
                               const std::vector<double>& weights, double eps) {
  const size_t size = gram.size();
  if (size == 1) return {1};
  std::vector<double> mean(size);
  double length = 0;
  for (size_t i = 0; i < size; ++i) {
    if (gram.norm(i) + eps > 0) mean[i] = weights[i] / (gram.norm(i) + eps);
    length += weights[i] * gram.norm(i);
  }
  const double norm = gram.norm(mean);
  // Directions that cancel out have no mean: the vectors themselves do.
  if (norm < eps || norm == 0) return weights;
  std::vector<double> at = mean;
  scale(at, 1 / norm);
  // sum of w (u - <u, at> at)
  std::vector<double> tangent = mean;
  add(tangent, -gram.dot(mean, at), at);
  const double rest = gram.norm(tangent) + eps;
  if (rest > 0) {
    scale(at, std::cos(rest));
    add(at, std::sin(rest) / rest, tangent);
  }
  scale(at, length);
  return at;
}

PreparedPtr nuslerp_groups(const WholeTensor& whole, const Vectors& vectors,
                           double t, bool columns) {
  const TensorInfo& out = whole.tensor().out;
  auto made = std::make_unique<Blend>();
  made->groups = columns ? Blend::Groups::kColumns : Blend::Groups::kRows;
  made->width = columns && !out.shape.empty()
                    ? std::max<int64_t>(whole.count() / out.shape.front(), 1)
                    : row_width(out);
  const std::vector<Gram> grams =
      columns ? column_grams(whole, vectors, made->width)
              : row_grams(whole, vectors, made->width);
  for (const Gram& gram : grams) {
    const Pair pair = arc(gram, t, 1);
    const auto factors = with_base(whole.tensor(), {pair.a, pair.b});
    made->factors.insert(made->factors.end(), factors.begin(), factors.end());
  }
  return made;
}

}  // namespace

PreparedPtr prepare_slerp(const WholeTensor& whole) {
  const PlannedTensor& tensor = whole.tensor();
  const size_t base = tensor.base.value();
  const Gram products = gram(whole, {{base, 1 - base}});
  const Pair pair = arc(products, setting(tensor.settings, "t"), kParallel);
  std::vector<double> factors(2);
  factors[base] = pair.a;
  factors[1 - base] = pair.b;
  return blend(std::move(factors));
}

PreparedPtr prepare_nuslerp(const WholeTensor& whole) {
  const PlannedTensor& tensor = whole.tensor();
  const Vectors vectors = {donors(tensor), tensor.base};
  const std::vector<double> weights = weights_of(whole, vectors.sources);
  const double sum = weights[0] + weights[1];
  const double t = std::fabs(sum) < 1e-6 ? 0.5 : weights[1] / sum;
  if (setting(tensor.settings, "nuslerp_flatten") == 0) {
    return nuslerp_groups(whole, vectors, t,
                          setting(tensor.settings, "nuslerp_row_wise") != 0);
  }
  const Pair pair = arc(gram(whole, vectors), t, 1);
  return blend(with_base(tensor, {pair.a, pair.b}));
}

PreparedPtr prepare_multislerp(const WholeTensor& whole) {
  const PlannedTensor& tensor = whole.tensor();
  const Vectors vectors = {donors(tensor), tensor.base};
  std::vector<double> weights = weights_of(whole, vectors.sources);
  if (setting(tensor.settings, "normalize_weights") != 0) {
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    if (std::fabs(sum) < 1e-12) {
      throw Error(quoted(tensor.out) +
                  ": the weights add up to zero; give others, or "
                  "normalize_weights: false");
    }
    scale(weights, 1 / sum);
  }
  return blend(with_base(tensor, multislerp(gram(whole, vectors), weights,
                                            setting(tensor.settings, "eps"))));
}

PreparedPtr prepare_karcher(const WholeTensor& whole) {
  const PlannedTensor& tensor = whole.tensor();
  std::vector<size_t> all(tensor.sources.size());
  std::iota(all.begin(), all.end(), 0);
  if (all.size() == 1) return blend({1});
  return blend(karcher(gram(whole, {all}), setting(tensor.settings, "max_iter"),
                       setting(tensor.settings, "tol")));
}

}  // namespace soup
