#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "recipe/blend.h"
#include "recipe/rule_bodies.h"
#include "recipe/runs.h"
#include "recipe/select.h"

/// Arcee fusion: the elements of the other model that matter most, told by how
/// far they moved times how much the distribution of their row did; outliers
/// of that measure, by its quartiles.
namespace soup {
namespace {

using Values = std::array<double, kRun>;

constexpr double kFloor = 1e-8;  // of probabilities

struct Important : Prepared {
  int64_t width = 1;
  std::vector<double> divergence;  ///< of rows; empty: all 0
  double threshold = 0;

  double of_row(int64_t element) const {
    return divergence.empty()
               ? 0
               : divergence[static_cast<size_t>(element / width)];
  }
};

// Softmax of a row in parts: its largest value and the sum below the line.
struct Softmax {
  double largest = -std::numeric_limits<double>::infinity();
  double sum = 0;

  double operator()(double x) const { return std::exp(x - largest) / sum; }
};

class Rows {
 public:
  Rows(const WholeTensor& whole, int64_t width)
      : whole_(whole), width_(width), base_(*whole.tensor().base) {}

  // Kullback-Leibler divergence of the other model's row from the base's.
  double divergence(int64_t begin) {
    const Softmax p = softmax(1 - base_, begin);
    const Softmax q = softmax(base_, begin);
    double sum = 0;
    for_each_run(begin, [&](const Span& span) {
      whole_.read(1 - base_, span, x_.data());
      whole_.read(base_, span, y_.data());
      for (size_t i = 0; i < span.n; ++i) {
        const double to = p(x_[i]) + kFloor;
        sum += to * std::log(to / (q(y_[i]) + kFloor));
      }
    });
    return std::max(sum, 0.0);
  }

 private:
  template <typename Work>
  void for_each_run(int64_t begin, const Work& work) const {
    const int64_t end = begin + width_;
    for (int64_t at = begin; at < end; at += static_cast<int64_t>(kRun)) {
      work(Span{0, at, std::min(kRun, static_cast<size_t>(end - at))});
    }
  }

  Softmax softmax(size_t source, int64_t begin) {
    Softmax made;
    for_each_run(begin, [&](const Span& span) {
      whole_.read(source, span, x_.data());
      made.largest = std::max(
          made.largest, *std::max_element(x_.begin(), x_.begin() + span.n));
    });
    for_each_run(begin, [&](const Span& span) {
      whole_.read(source, span, x_.data());
      for (size_t i = 0; i < span.n; ++i) {
        made.sum += std::exp(x_[i] - made.largest);
      }
    });
    return made;
  }

  const WholeTensor& whole_;
  int64_t width_;
  size_t base_;
  Values x_{};
  Values y_{};
};

// From the smallest: place floor(q (n - 1)), as a rank from the largest.
int64_t rank_of(double q, int64_t count) {
  return count - static_cast<int64_t>(q * static_cast<double>(count - 1));
}

double threshold(const WholeTensor& whole, const Important& important) {
  const size_t base = *whole.tensor().base;
  const Magnitudes magnitudes = {
      .reader =
          [&] {
            return [&, y = Values()](const Span& span, size_t,
                                     double* out) mutable {
              whole.read(1 - base, span, out);
              whole.read(base, span, y.data());
              for (size_t i = 0; i < span.n; ++i) {
                const int64_t element = span.begin + static_cast<int64_t>(i);
                out[i] = std::fabs(out[i] - y[i]) * important.of_row(element);
              }
            };
          },
      .are_floats = false};
  std::vector<Wanted> wanted;
  for (double q : {0.25, 0.5, 0.75}) {
    wanted.push_back({0, rank_of(q, whole.count())});
  }
  std::vector<double> found;
  for (const Cut& cut : select(whole, magnitudes, wanted)) {
    found.push_back(std::max(cut.threshold, 0.0));
  }
  return found[1] + 1.5 * (found[2] - found[0]);
}

}  // namespace

PreparedPtr prepare_fusion(const WholeTensor& whole) {
  auto important = std::make_unique<Important>();
  important->width = row_width(whole.tensor().out);
  if (important->width <= 1) return important;
  important->divergence.resize(
      static_cast<size_t>(whole.count() / important->width));
  whole.rows(important->width, [&] {
    return [&, rows = Rows(whole, important->width)](int64_t begin) mutable {
      important->divergence[static_cast<size_t>(begin / important->width)] =
          rows.divergence(begin);
    };
  });
  if (whole.count() > 0) important->threshold = threshold(whole, *important);
  return important;
}

void make_fusion(Piece& piece) {
  const auto& important = prepared<Important>(piece);
  const size_t base = piece.tensor.base.value();
  Values a;
  Values b;
  make_runs(piece, [&](const Run& run, double* out) {
    run.read(base, a.data());
    run.read(1 - base, b.data());
    for (size_t i = 0; i < run.n; ++i) {
      const int64_t element = run.element() + static_cast<int64_t>(i);
      const double importance =
          std::fabs(b[i] - a[i]) * important.of_row(element);
      out[i] = importance >= important.threshold ? b[i] : a[i];
    }
  });
}

int64_t fusion_memory(const PlannedTensor& tensor) {
  const int64_t width = std::max<int64_t>(row_width(tensor.out), 1);
  return tensor.out.numel() / width * static_cast<int64_t>(sizeof(double));
}

}  // namespace soup
