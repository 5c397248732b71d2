#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "soup/recipe.h"

namespace soup {

/// How far sources lie from their mean, measured on a sample of their values.
struct Distances {
  std::vector<double> squares;  ///< sum of (x - mean)^2, per source
  double mean_square = 0;       ///< sum of mean^2
  int64_t count = 0;            ///< values measured
};

/// What a rule noticed about the sources of one output tensor.
struct Findings {
  std::vector<int64_t> nonfinite;  ///< NaN and infinite values, per source
  std::vector<int64_t> negative;   ///< where none may be, per source
  std::vector<bool> differs;       ///< from the first source, per source
  Distances distances;             ///< where there is a mean

  explicit Findings(size_t sources)
      : nonfinite(sources), negative(sources), differs(sources) {
    distances.squares.resize(sources);
  }
};

/// A run of values of one output tensor in the making.
struct Piece {
  const PlannedTensor& tensor;
  int64_t begin = 0;  ///< first item: element, or byte where they are smaller
  size_t count = 0;
  /// Values of source k for this run, `count` items of any alignment.
  std::function<const std::byte*(size_t k)> source;
  std::span<std::byte> out;
  Findings& findings;
  const Prepared* prepared = nullptr;  ///< by the rule's prepare()
};

/// Bytes of an item: an element, or one byte where elements are smaller.
size_t item_bytes(DType dtype);

/// Name of the tensor as messages show it.
std::string quoted(const TensorInfo&);

/// Rules without a header of their own, in src/recipe/integers.cpp.
void make_equal(Piece&);
void make_largest(Piece&);
void make_first(Piece&);

}  // namespace soup
