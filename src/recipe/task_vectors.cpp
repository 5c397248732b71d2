#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "recipe/blend.h"
#include "recipe/rounding.h"
#include "recipe/rule_bodies.h"
#include "recipe/runs.h"
#include "recipe/thinning.h"

namespace soup {
namespace {

using Values = std::array<double, kRun>;

constexpr double kNoSum = 1e-8;  // weights that add up to less have no mean

// What a tensor's task vectors have in common.
struct Task {
  const PlannedTensor& tensor;
  std::vector<size_t> donors;
  const Thinned* thinned;
  bool normalize;
  double lambda;

  explicit Task(const Piece& piece)
      : tensor(piece.tensor),
        donors(soup::donors(piece.tensor)),
        thinned(static_cast<const Thinned*>(piece.prepared)),
        normalize(setting(tensor.settings, "normalize") != 0),
        lambda(setting(tensor.settings, "lambda")) {}

  const Thinning& thinning(size_t donor) const {
    static const Thinning kEverything;
    return thinned == nullptr ? kEverything : thinned->donors[donor];
  }
  double weight(size_t donor) const {
    return tensor.sources[donors[donor]].weight;
  }
};

double sum_of_weights(const Task& task, const Rounding& rounding) {
  double sum = 0;
  for (size_t i = 0; i < task.donors.size(); ++i) {
    sum = rounding.sum(sum + rounding(task.weight(i)));
  }
  sum = rounding(sum);
  return std::fabs(sum) < kNoSum ? 1 : sum;
}

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
  divisor.fill(sum_of_weights(task, Rounding(task.tensor)));
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

// Sums of a sign, in the precision that torch adds up in.
struct RoundedSide {
  Values sum{};
  Values weight{};
};

// With a rounding after every operation.
class PerOperation {
 public:
  PerOperation(Piece& piece, bool consensus)
      : task_(piece),
        consensus_(consensus),
        rounding_(piece.tensor),
        sieve_(piece.tensor),
        lambda_(rounding_.sum(task_.lambda)),
        weights_(sum_of_weights(task_, rounding_)) {
    make_runs(piece, [&](const Run& run, double* out) { make(run, out); });
  }

 private:
  void make(const Run& run, double* out) {
    read(run, *task_.tensor.base, base_);
    total_.fill(0);
    positive_ = negative_ = {};
    for (size_t donor = 0; donor < task_.donors.size(); ++donor) {
      set_term(run, donor);
      const double weight = rounding_(task_.weight(donor));
      for (size_t i = 0; i < run.n; ++i) {
        total_[i] = total_[i] + term_[i];
        RoundedSide& side = term_[i] > 0 ? positive_ : negative_;
        if (term_[i] == 0) continue;
        side.sum[i] = rounding_.sum(side.sum[i] + term_[i]);
        side.weight[i] = rounding_.sum(side.weight[i] + weight);
      }
      rounding_.sum(total_.data(), run.n);
    }
    rounding_(total_.data(), run.n);
    for (size_t i = 0; i < run.n; ++i) {
      const RoundedSide& side = total_[i] >= 0 ? positive_ : negative_;
      out[i] = consensus_ ? side.sum[i] : total_[i];
      divisor_[i] = consensus_ ? side.weight[i] : weights_;
    }
    finish(run.n, out);
  }

  void read(const Run& run, size_t source, Values& values) const {
    run.read(source, values.data());
    rounding_(values.data(), run.n);
  }

  void set_term(const Run& run, size_t donor) {
    const size_t source = task_.donors[donor];
    const Thinning& thinning = task_.thinning(donor);
    read(run, source, term_);
    for (size_t i = 0; i < run.n; ++i) term_[i] -= base_[i];
    rounding_(term_.data(), run.n);
    sieve_.shares(thinning, source, run.element(), run.n, term_.data(),
                  shares_.data());
    for (size_t i = 0; i < run.n; ++i) {
      term_[i] *= shares_[i] * thinning.scale;
    }
    rounding_(term_.data(), run.n);
    const double weight = rounding_(task_.weight(donor));
    for (size_t i = 0; i < run.n; ++i) term_[i] *= weight;
    rounding_(term_.data(), run.n);
  }

  void finish(size_t n, double* out) {
    rounding_(out, n);
    rounding_(divisor_.data(), n);
    if (task_.normalize) {
      for (size_t i = 0; i < n; ++i) {
        out[i] /= divisor_[i] == 0 ? 1 : divisor_[i];
      }
      rounding_(out, n);
    }
    if (task_.lambda != 1) {
      for (size_t i = 0; i < n; ++i) out[i] *= lambda_;
      rounding_(out, n);
    }
    for (size_t i = 0; i < n; ++i) out[i] += base_[i];
    rounding_(out, n);
  }

  Task task_;
  bool consensus_;
  Rounding rounding_;
  Sieve sieve_;
  double lambda_;
  double weights_;
  Values base_{};
  Values term_{};
  Values shares_{};
  Values total_{};
  Values divisor_{};
  RoundedSide positive_;
  RoundedSide negative_;
};

}  // namespace

void make_sum(Piece& piece) {
  if (piece.tensor.numerics == Numerics::kMergekit) {
    PerOperation(piece, false);
  } else {
    add_up(piece);
  }
}

void make_consensus(Piece& piece) {
  if (piece.tensor.numerics == Numerics::kMergekit) {
    PerOperation(piece, true);
  } else {
    add_agreeing(piece);
  }
}

void make_task_arithmetic(Piece& piece) {
  if (piece.tensor.numerics == Numerics::kMergekit) {
    PerOperation(piece, false);
    return;
  }
  const Task task(piece);
  const double sum = sum_of_weights(task, Rounding(task.tensor));
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
