#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "recipe/rule_bodies.h"
#include "recipe/runs.h"
#include "recipe/select.h"

/// SCE, arXiv:2408.07990: elements in which the donors differ most, weighted by
/// how much of them is a donor's own, of the sign most of them have.
namespace soup {
namespace {

using Values = std::array<double, kRun>;

struct Chosen : Prepared {
  bool all = true;
  Cut cut;                      ///< of the donors' variances
  std::vector<double> weights;  ///< of the donors

  bool keeps(double variance, int64_t index) const {
    return all || cut.keeps(variance, index);
  }
};

// Differences from the base of all donors in a span, and their variances.
struct Columns {
  std::vector<Values> differences;
  Values base;
  Values variance;

  explicit Columns(size_t donors) : differences(donors) {}

  template <typename Read>
  void fill(const Read& read, const std::vector<size_t>& donors, size_t base_at,
            size_t n) {
    read(base_at, base.data());
    for (size_t k = 0; k < donors.size(); ++k) {
      read(donors[k], differences[k].data());
      for (size_t i = 0; i < n; ++i) differences[k][i] -= base[i];
    }
    const auto count = static_cast<double>(donors.size());
    for (size_t i = 0; i < n; ++i) {
      double mean = 0;
      for (const Values& d : differences) mean += d[i] / count;
      double sum = 0;
      for (const Values& d : differences) sum += (d[i] - mean) * (d[i] - mean);
      variance[i] = sum / count;
    }
  }
};

class Chooser {
 public:
  explicit Chooser(const WholeTensor& whole)
      : whole_(whole), donors_(donors(whole.tensor())) {}

  void choose(double share, Chosen& chosen) const {
    const std::vector<double> nonzero = whole_.sums(1, [&] {
      return [&, columns = Columns(donors_.size())](const Span& span,
                                                    double* sum) mutable {
        fill(columns, span);
        for (size_t i = 0; i < span.n; ++i) {
          *sum += columns.variance[i] != 0 ? 1 : 0;
        }
      };
    });
    const Magnitudes magnitudes = {
        .reader =
            [&] {
              return [&, columns = Columns(donors_.size())](
                         const Span& span, size_t, double* out) mutable {
                fill(columns, span);
                std::copy_n(columns.variance.begin(), span.n, out);
              };
            },
        .are_floats = false};
    const std::vector<Wanted> wanted = {
        {0, static_cast<int64_t>(share * nonzero.front())}};
    chosen.all = false;
    chosen.cut = select(whole_, magnitudes, wanted).front();
  }

  // Mean squares of what was chosen, as shares of their sum.
  void weigh(Chosen& chosen) const {
    chosen.weights = whole_.sums(donors_.size(), [&] {
      return [&, columns = Columns(donors_.size())](const Span& span,
                                                    double* sums) mutable {
        fill(columns, span);
        for (size_t i = 0; i < span.n; ++i) {
          const int64_t index = span.begin + static_cast<int64_t>(i);
          if (!chosen.keeps(columns.variance[i], index)) continue;
          for (size_t k = 0; k < donors_.size(); ++k) {
            const double difference = columns.differences[k][i];
            sums[k] += difference * difference;
          }
        }
      };
    });
    double sum = 0;
    for (double square : chosen.weights) sum += square;
    for (double& weight : chosen.weights) {
      weight = sum > 0 ? weight / sum : 1 / static_cast<double>(donors_.size());
    }
  }

 private:
  void fill(Columns& columns, const Span& span) const {
    columns.fill([&](size_t k, double* out) { whole_.read(k, span, out); },
                 donors_, *whole_.tensor().base, span.n);
  }

  const WholeTensor& whole_;
  std::vector<size_t> donors_;
};

}  // namespace

PreparedPtr prepare_sce(const WholeTensor& whole) {
  const double share = setting(whole.tensor().settings, "select_topk");
  auto chosen = std::make_unique<Chosen>();
  const Chooser chooser(whole);
  // One donor differs from itself nowhere: there is nothing to choose by.
  if (share < 1 && whole.tensor().sources.size() > 2) {
    chooser.choose(share, *chosen);
  }
  chooser.weigh(*chosen);
  return chosen;
}

void make_sce(Piece& piece) {
  const auto& chosen = prepared<Chosen>(piece);
  const std::vector<size_t> models = donors(piece.tensor);
  Columns columns(models.size());
  make_runs(piece, [&](const Run& run, double* out) {
    columns.fill([&](size_t k, double* values) { run.read(k, values); }, models,
                 *piece.tensor.base, run.n);
    for (size_t i = 0; i < run.n; ++i) {
      out[i] = columns.base[i];
      const int64_t index = run.element() + static_cast<int64_t>(i);
      if (!chosen.keeps(columns.variance[i], index)) continue;
      double total = 0;
      for (const Values& d : columns.differences) total += d[i];
      double sum = 0;
      double divisor = 0;
      for (size_t k = 0; k < models.size(); ++k) {
        const double d = columns.differences[k][i];
        if (d == 0 || (d > 0) != (total >= 0)) continue;
        sum += chosen.weights[k] * d;
        divisor += chosen.weights[k];
      }
      if (divisor > 0) out[i] += sum / divisor;
    }
  });
}

}  // namespace soup
