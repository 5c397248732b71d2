#include <algorithm>
#include <cmath>
#include <vector>

#include "recipe/blend.h"
#include "recipe/rule_bodies.h"
#include "recipe/runs.h"
#include "recipe/task.h"

namespace soup {

Task::Task(const Piece& piece)
    : tensor(piece.tensor),
      donors(soup::donors(piece.tensor)),
      thinned(static_cast<const Thinned*>(piece.prepared)),
      normalize(setting(tensor.settings, "normalize") != 0),
      lambda(setting(tensor.settings, "lambda")) {}

const Thinning& Task::thinning(size_t donor) const {
  static const Thinning kEverything;
  return thinned == nullptr ? kEverything : thinned->donors[donor];
}

double Task::sum_of_weights(const Rounding& rounding) const {
  constexpr double kNoSum = 1e-8;  // weights that add up to less have no mean
  double sum = 0;
  for (size_t i = 0; i < donors.size(); ++i) {
    sum = rounding.sum(sum + rounding(weight(i)));
  }
  sum = rounding(sum);
  return std::fabs(sum) < kNoSum ? 1 : sum;
}

namespace {

// Models with one sign of their task vectors: what they add up to, their
// share in the sum, and their weights. out = base + (sum w (x - base)) / d is
// computed as (1 - share) base + sum w x / d, so that a share of one leaves
// nothing of the base.
struct Side {
  Values sum{};
  Values share{};
  Values weight{};

  void clear(size_t n) {
    std::fill_n(sum.begin(), n, 0.0);
    std::fill_n(share.begin(), n, 0.0);
    std::fill_n(weight.begin(), n, 0.0);
  }
  void finish(const Task& task, const double* base, const double* divisor,
              size_t n, double* out) const {
    for (size_t i = 0; i < n; ++i) {
      const double by = task.normalize && divisor[i] != 0 ? divisor[i] : 1;
      out[i] = (1 - task.lambda * (share[i] / by)) * base[i] +
               task.lambda * (sum[i] / by);
    }
  }
};

// All task vectors added up.
void add_up(Piece& piece) {
  const Task task(piece);
  const Sieve sieve(task.tensor);
  Side all;
  Values base;
  Values x;
  Values difference;
  Values shares;
  Values divisor;
  divisor.fill(task.sum_of_weights(Rounding(task.tensor)));
  make_runs(piece, [&](const Run& run, double* out) {
    run.read(*task.tensor.base, base.data());
    all.clear(run.n);
    for (size_t donor = 0; donor < task.donors.size(); ++donor) {
      run.read(task.donors[donor], x.data());
      for (size_t i = 0; i < run.n; ++i) difference[i] = x[i] - base[i];
      const Thinning& thinning = task.thinning(donor);
      sieve.shares(thinning, task.donors[donor], run.element(), run.n,
                   difference.data(), shares.data());
      const double factor = task.weight(donor) * thinning.scale;
      for (size_t i = 0; i < run.n; ++i) {
        all.sum[i] += factor * shares[i] * x[i];
        all.share[i] += factor * shares[i];
      }
    }
    all.finish(task, base.data(), divisor.data(), run.n, out);
  });
}

// Only those that agree with the sign of the sum: TIES, section 3.
void add_agreeing(Piece& piece) {
  const Task task(piece);
  const Sieve sieve(task.tensor);
  Side positive;
  Side negative;
  Values base;
  Values x;
  Values difference;
  Values shares;
  Values total;
  make_runs(piece, [&](const Run& run, double* out) {
    run.read(*task.tensor.base, base.data());
    positive.clear(run.n);
    negative.clear(run.n);
    std::fill_n(total.begin(), run.n, 0.0);
    for (size_t donor = 0; donor < task.donors.size(); ++donor) {
      run.read(task.donors[donor], x.data());
      for (size_t i = 0; i < run.n; ++i) difference[i] = x[i] - base[i];
      const Thinning& thinning = task.thinning(donor);
      sieve.shares(thinning, task.donors[donor], run.element(), run.n,
                   difference.data(), shares.data());
      const double weight = task.weight(donor);
      const double factor = weight * thinning.scale;
      for (size_t i = 0; i < run.n; ++i) {
        const double term = factor * shares[i] * difference[i];
        total[i] += term;
        const double up = term > 0 ? 1 : 0;
        const double down = term < 0 ? 1 : 0;
        positive.sum[i] += up * factor * x[i];
        positive.share[i] += up * factor;
        positive.weight[i] += up * weight;
        negative.sum[i] += down * factor * x[i];
        negative.share[i] += down * factor;
        negative.weight[i] += down * weight;
      }
    }
    for (size_t i = 0; i < run.n; ++i) {
      if (total[i] >= 0) continue;
      positive.sum[i] = negative.sum[i];
      positive.share[i] = negative.share[i];
      positive.weight[i] = negative.weight[i];
    }
    positive.finish(task, base.data(), positive.weight.data(), run.n, out);
  });
}

}  // namespace

void make_sum(Piece& piece) {
  if (piece.tensor.numerics == Numerics::kMergekit) {
    make_sum_per_operation(piece);
  } else {
    add_up(piece);
  }
}

void make_consensus(Piece& piece) {
  if (piece.tensor.numerics == Numerics::kMergekit) {
    make_consensus_per_operation(piece);
  } else {
    add_agreeing(piece);
  }
}

void make_task_arithmetic(Piece& piece) {
  if (piece.tensor.numerics == Numerics::kMergekit) {
    make_sum_per_operation(piece);
    return;
  }
  const Task task(piece);
  const double sum = task.sum_of_weights(Rounding(task.tensor));
  std::vector<double> factors;
  for (size_t i = 0; i < task.donors.size(); ++i) {
    factors.push_back(task.lambda * task.weight(i) /
                      (task.normalize ? sum : 1));
  }
  Blend blend;
  blend.factors = with_base(task.tensor, factors);
  make_blend(piece, blend);
}

// LiNeS, arXiv:2410.17146: the deeper, the more of the task vectors.
void make_lines(Piece& piece) {
  const Settings& settings = piece.tensor.settings;
  const double depth = std::max(setting(settings, "depth"), 0.0);
  const double scale =
      setting(settings, "alpha") + setting(settings, "beta") * depth;
  std::vector<double> factors;
  for (size_t k : donors(piece.tensor)) {
    factors.push_back(scale * piece.tensor.sources[k].weight);
  }
  Blend blend;
  blend.factors = with_base(piece.tensor, factors);
  make_blend(piece, blend);
}

}  // namespace soup
