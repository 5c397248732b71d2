#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "recipe/whole.h"

namespace soup {

/// A symmetric matrix of dot products. Whatever is a combination of vectors is
/// known from it: lengths, angles, distances, without the vectors.
class Gram {
 public:
  explicit Gram(size_t size) : size_(size), values_(size * size) {}
  /// `products`: size * size numbers, of which those of i <= j count.
  Gram(size_t size, const double* products);

  size_t size() const { return size_; }
  double at(size_t i, size_t j) const { return values_[i * size_ + j]; }
  double norm(size_t i) const;
  /// Cosine of the angle between two vectors; 0 where one is zero.
  double cosine(size_t i, size_t j) const;

  /// Of the combinations sum a_i v_i and sum b_i v_i.
  double dot(const std::vector<double>& a, const std::vector<double>& b) const;
  double norm(const std::vector<double>& a) const;

 private:
  size_t size_;
  std::vector<double> values_;
};

/// Sources whose products are taken.
struct Vectors {
  std::vector<size_t> sources;
  std::optional<size_t> origin = {};  ///< source that is subtracted from them
};

Gram gram(const WholeTensor& whole, const Vectors& vectors);
/// Of every row of `width` elements.
std::vector<Gram> row_grams(const WholeTensor& whole, const Vectors& vectors,
                            int64_t width);
/// Of every column of the matrix whose rows have `width` elements.
std::vector<Gram> column_grams(const WholeTensor& whole, const Vectors& vectors,
                               int64_t width);

}  // namespace soup
