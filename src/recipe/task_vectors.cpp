#include <algorithm>
#include <cmath>
#include <vector>

#include "recipe/blend.h"
#include "recipe/kernels.h"
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
  SideSums sums() { return {sum.data(), share.data(), weight.data()}; }
  void finish(const Task& task, const double* base, const double* divisor,
              size_t n, double* out) const {
    kernels().task.finish_sum(sum.data(), share.data(), divisor, base, n,
                              task.lambda, out);
  }
};

// The donors' task vectors, one after another, of one run.
class Donors {
 public:
  explicit Donors(const Task& task) : task_(task), sieve_(task.tensor) {}

  const double* read_base(const Run& run) {
    run.read(*task_.tensor.base, base_.data());
    return base_.data();
  }
  /// After read_base().
  void read(const Run& run, size_t donor) {
    run.read(task_.donors[donor], x.data());
    std::copy_n(x.begin(), run.n, difference.begin());
    kernels().task.subtract(base_.data(), run.n, difference.data());
    sieve_.shares(task_.thinning(donor), task_.donors[donor], run.element(),
                  run.n, difference.data(), shares.data());
  }
  double factor(size_t donor) const {
    return task_.weight(donor) * task_.thinning(donor).scale;
  }

  Values x{};
  Values difference{};
  Values shares{};

 private:
  const Task& task_;
  Sieve sieve_;
  Values base_{};
};

// All task vectors added up.
void add_up(Piece& piece) {
  const Task task(piece);
  Donors donors(task);
  Side all;
  Values divisor;
  divisor.fill(task.normalize ? task.sum_of_weights(Rounding(task.tensor)) : 1);
  make_runs(piece, [&](const Run& run, double* out) {
    const double* base = donors.read_base(run);
    all.clear(run.n);
    for (size_t donor = 0; donor < task.donors.size(); ++donor) {
      donors.read(run, donor);
      kernels().task.add_shares(donors.x.data(), donors.shares.data(), run.n,
                                donors.factor(donor), all.sum.data(),
                                all.share.data());
    }
    all.finish(task, base, divisor.data(), run.n, out);
  });
}

// Only those that agree with the sign of the sum: TIES, section 3.
void add_agreeing(Piece& piece) {
  const TaskKernels& loops = kernels().task;
  const Task task(piece);
  Donors donors(task);
  Side positive;
  Side negative;
  Values total;
  Values ones;
  ones.fill(1);
  const double* divisor = task.normalize ? positive.weight.data() : ones.data();
  make_runs(piece, [&](const Run& run, double* out) {
    const double* base = donors.read_base(run);
    positive.clear(run.n);
    negative.clear(run.n);
    std::fill_n(total.begin(), run.n, 0.0);
    for (size_t donor = 0; donor < task.donors.size(); ++donor) {
      donors.read(run, donor);
      loops.add_by_sign(donors.x.data(), donors.difference.data(),
                        donors.shares.data(), run.n, donors.factor(donor),
                        task.weight(donor), total.data(), positive.sums(),
                        negative.sums());
    }
    loops.choose_side(total.data(), run.n, positive.sums(), negative.sums());
    positive.finish(task, base, divisor, run.n, out);
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
