#include "recipe/gram.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/threads.h"
#include "recipe/kernels.h"
#include "recipe/runs.h"

namespace soup {
namespace {

// The vectors' values of one span.
class Reader {
 public:
  Reader(const WholeTensor& whole, const Vectors& vectors)
      : whole_(whole), vectors_(vectors), values_(vectors.sources.size()) {}

  void read(const Span& span) {
    if (vectors_.origin) whole_.read(*vectors_.origin, span, origin_.data());
    for (size_t i = 0; i < values_.size(); ++i) {
      double* values = values_[i].data();
      whole_.read(vectors_.sources[i], span, values);
      if (!vectors_.origin) continue;
      kernels().task.subtract(origin_.data(), span.n, values);
    }
  }
  void add_products(size_t n, double* sums) const {
    const size_t size = values_.size();
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = i; j < size; ++j) {
        sums[i * size + j] +=
            kernels().task.dot_product(values_[i].data(), values_[j].data(), n);
      }
    }
  }
  double product(size_t i, size_t j, size_t element) const {
    return values_[i][element] * values_[j][element];
  }

 private:
  const WholeTensor& whole_;
  const Vectors& vectors_;
  std::array<double, kRun> origin_{};
  std::vector<std::array<double, kRun>> values_;
};

}  // namespace

Gram::Gram(size_t size, const double* products) : Gram(size) {
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = i; j < size; ++j) {
      values_[i * size + j] = values_[j * size + i] = products[i * size + j];
    }
  }
}

double Gram::norm(size_t i) const { return std::sqrt(at(i, i)); }

double Gram::cosine(size_t i, size_t j) const {
  const double norms = norm(i) * norm(j);
  return norms > 0 ? std::clamp(at(i, j) / norms, -1.0, 1.0) : 0;
}

double Gram::dot(const std::vector<double>& a,
                 const std::vector<double>& b) const {
  double sum = 0;
  for (size_t i = 0; i < size_; ++i) {
    for (size_t j = 0; j < size_; ++j) sum += a[i] * b[j] * at(i, j);
  }
  return sum;
}

double Gram::norm(const std::vector<double>& a) const {
  return std::sqrt(std::max(dot(a, a), 0.0));
}

Gram gram(const WholeTensor& whole, const Vectors& vectors) {
  const size_t size = vectors.sources.size();
  const std::vector<double> sums = whole.sums(size * size, [&] {
    return [reader = Reader(whole, vectors)](const Span& span,
                                             double* sum) mutable {
      reader.read(span);
      reader.add_products(span.n, sum);
    };
  });
  return {size, sums.data()};
}

std::vector<Gram> row_grams(const WholeTensor& whole, const Vectors& vectors,
                            int64_t width) {
  const size_t size = vectors.sources.size();
  std::vector<Gram> grams(static_cast<size_t>(whole.count() / width),
                          Gram(size));
  whole.rows(width, [&] {
    return [&, reader = Reader(whole, vectors),
            sums = std::vector<double>()](int64_t begin) mutable {
      sums.assign(size * size, 0);
      for (int64_t at = begin; at < begin + width;
           at += static_cast<int64_t>(kRun)) {
        const int64_t left = begin + width - at;
        const size_t n = std::min(kRun, static_cast<size_t>(left));
        reader.read({0, at, n});
        reader.add_products(n, sums.data());
      }
      grams[static_cast<size_t>(begin / width)] = Gram(size, sums.data());
    };
  });
  return grams;
}

std::vector<Gram> column_grams(const WholeTensor& whole, const Vectors& vectors,
                               int64_t width) {
  const size_t size = vectors.sources.size();
  std::vector<Gram> grams(static_cast<size_t>(width), Gram(size));
  const auto step = static_cast<int64_t>(kRun);
  parallel_for((width + step - 1) / step, whole.threads(), [&](int64_t i) {
    const int64_t first = i * step;
    const auto n = static_cast<size_t>(std::min(step, width - first));
    Reader reader(whole, vectors);
    std::vector<double> sums(n * size * size);
    for (int64_t row = 0; row < whole.count(); row += width) {
      reader.read({0, row + first, n});
      for (size_t column = 0; column < n; ++column) {
        for (size_t a = 0; a < size; ++a) {
          for (size_t b = a; b < size; ++b) {
            sums[(column * size + a) * size + b] +=
                reader.product(a, b, column);
          }
        }
      }
    }
    for (size_t column = 0; column < n; ++column) {
      grams[static_cast<size_t>(first) + column] =
          Gram(size, &sums[column * size * size]);
    }
  });
  return grams;
}

}  // namespace soup
