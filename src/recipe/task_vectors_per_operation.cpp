#include <array>
#include <cmath>

#include "recipe/rounding.h"
#include "recipe/rule_bodies.h"
#include "recipe/runs.h"
#include "recipe/task.h"

namespace soup {
namespace {

// Sums of a sign, in the precision that torch adds up in.
struct RoundedSide {
  Values sum{};
  Values weight{};
};

// With a rounding after every operation.
class PerOperation {
 public:
  PerOperation(const Piece& piece, bool consensus)
      : task_(piece),
        consensus_(consensus),
        rounding_(piece.tensor),
        sieve_(piece.tensor),
        lambda_(rounding_.sum(task_.lambda)),
        weights_(task_.sum_of_weights(rounding_)) {}

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

 private:
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

void make_rounded(Piece& piece, bool consensus) {
  PerOperation sum(piece, consensus);
  make_runs(piece, [&](const Run& run, double* out) { sum.make(run, out); });
}

}  // namespace

void make_sum_per_operation(Piece& piece) { make_rounded(piece, false); }

void make_consensus_per_operation(Piece& piece) { make_rounded(piece, true); }

}  // namespace soup
