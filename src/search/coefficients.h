#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "soup/recipe.h"
#include "soup/search.h"

namespace soup {

/// Tensors of a plan that are mixed with the same coefficients.
struct Group {
  std::string name;
  std::vector<size_t> tensors;
};

/// The floats that `plan` mixes, by `share`: all as one; by block of the
/// network, which is what a name has up to its first number ("blocks.3"), else
/// up to its last dot; or one by one.
std::vector<Group> groups_of(const Plan& plan, Share share);

/// Values by group and ingredient, group after group.
using Table = std::vector<double>;

/// The coefficients of a soup as functions of free numbers, as many of one as
/// of the other. In every group the coefficients sum to 1.
class Coefficients {
 public:
  /// exp(x_i) / sum exp(x): positive (arXiv:2203.05482, appendix on learned
  /// soups).
  explicit Coefficients(size_t ingredients) : ingredients_(ingredients) {}
  /// c + sum x_i (theta_i - c) / |theta_i - c|, c the mean of all: any sign
  /// (arXiv:2407.03641). `distances`: |theta_i - c|; where it is 0, x_i changes
  /// nothing.
  Coefficients(size_t ingredients, Table distances)
      : ingredients_(ingredients), distances_(std::move(distances)) {}

  bool affine() const { return !distances_.empty(); }
  /// All coefficients are equal where all free numbers are 0.
  Table of(const Table& free) const;
  /// The slope of a function by the free numbers, given that by coefficients.
  Table slope(const Table& free, const Table& by_coefficients) const;

 private:
  size_t ingredients_;
  Table distances_;
};

/// Adam (arXiv:1412.6980) in the form of torch's AdamW without decay.
struct Adam {
  std::vector<double> first = {};   ///< running mean of slopes
  std::vector<double> second = {};  ///< and of their squares
  int64_t steps = 0;

  void step(std::vector<double>& values, std::span<const double> slope,
            double rate);
};

}  // namespace soup
