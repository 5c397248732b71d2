#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "recipe/rule_bodies.h"
#include "recipe/runs.h"

/// Reinforced agent merging, arXiv:2601.13572: what one model alone changed is
/// taken as it is (or a little more), what several changed is averaged.
namespace soup {
namespace {

using Values = std::array<double, kRun>;

struct Factors : Prepared {
  std::vector<double> unique;  ///< of what a donor alone changed
};

// Adds up elements i of `donors` that lie more than `epsilon` from the base.
struct Changes {
  size_t count = 0;
  size_t last = 0;  // who changed it

  Changes(const std::vector<Values>& donors, double base, size_t i,
          double epsilon) {
    for (size_t k = 0; k < donors.size(); ++k) {
      if (std::fabs(donors[k][i] - base) <= epsilon) continue;
      ++count;
      last = k;
    }
  }
};

void make(Piece& piece, const std::vector<double>& unique) {
  const double epsilon = setting(piece.tensor.settings, "epsilon");
  const std::vector<size_t> models = donors(piece.tensor);
  std::vector<Values> x(models.size());
  Values base;
  make_runs(piece, [&](const Run& run, double* out) {
    run.read(*piece.tensor.base, base.data());
    for (size_t k = 0; k < models.size(); ++k) run.read(models[k], x[k].data());
    for (size_t i = 0; i < run.n; ++i) {
      const Changes changes(x, base[i], i, epsilon);
      out[i] = base[i];
      if (changes.count == 1) {
        const double factor = unique[changes.last];
        out[i] = factor * x[changes.last][i] + (1 - factor) * base[i];
      } else if (changes.count > 1) {
        double sum = 0;
        for (const Values& values : x) {
          const double change = values[i] - base[i];
          if (std::fabs(change) > epsilon) sum += change;
        }
        out[i] += sum / static_cast<double>(changes.count);
      }
    }
  });
}

}  // namespace

void make_ram(Piece& piece) {
  make(piece, std::vector<double>(piece.tensor.sources.size(), 1.0));
}

PreparedPtr prepare_ramplus(const WholeTensor& whole) {
  const PlannedTensor& tensor = whole.tensor();
  const std::vector<size_t> models = donors(tensor);
  const double epsilon = setting(tensor.settings, "epsilon");
  // Of every donor: elements it shares with others, and its own.
  const std::vector<double> counts = whole.sums(2 * models.size(), [&] {
    return [&, x = std::vector<Values>(models.size())](const Span& span,
                                                       double* sums) mutable {
      Values base;
      whole.read(*tensor.base, span, base.data());
      for (size_t k = 0; k < models.size(); ++k) {
        whole.read(models[k], span, x[k].data());
      }
      for (size_t i = 0; i < span.n; ++i) {
        const Changes changes(x, base[i], i, epsilon);
        for (size_t k = 0; changes.count > 1 && k < models.size(); ++k) {
          if (std::fabs(x[k][i] - base[i]) > epsilon) sums[2 * k] += 1;
        }
        if (changes.count == 1) sums[2 * changes.last + 1] += 1;
      }
    };
  });
  const double most = setting(tensor.settings, "alpha");
  const double r = setting(tensor.settings, "r");
  auto factors = std::make_unique<Factors>();
  for (size_t k = 0; k < models.size(); ++k) {
    const double own = counts[2 * k + 1];
    const double ratio =
        own > 0 ? counts[2 * k] / own : (counts[2 * k] > 0 ? most : 0);
    factors->unique.push_back(1 + r * std::clamp(ratio, 0.0, most));
  }
  return factors;
}

void make_ramplus(Piece& piece) {
  make(piece, prepared<Factors>(piece).unique);
}

}  // namespace soup
