#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "soup/recipe.h"

namespace soup {

/// What a rule noticed about the sources of one output tensor.
struct Findings {
  std::vector<int64_t> nonfinite;  ///< NaN and infinite values, per source
  std::vector<bool> differs;       ///< from the first source, per source

  explicit Findings(size_t sources) : nonfinite(sources), differs(sources) {}
};

/// A run of values of one output tensor in the making.
struct Piece {
  const PlannedTensor& tensor;
  size_t count = 0;  ///< items: elements, or bytes where they have fewer bits
  /// Values of source k for this run, `count` items of any alignment.
  std::function<const std::byte*(size_t k)> source;
  std::span<std::byte> out;
  Findings& findings;
};

/// Bytes of an item: an element, or one byte where elements are smaller.
size_t item_bytes(DType dtype);

/// Name of the tensor as messages show it.
std::string quoted(const TensorInfo&);

/// The rules, in src/recipe/<name>.cpp: bodies of rows of rules().
void make_linear(Piece&);
void make_equal(Piece&);
void make_largest(Piece&);
void make_first(Piece&);

}  // namespace soup
