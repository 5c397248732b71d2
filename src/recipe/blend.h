#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "recipe/piece.h"

/// Rules that come down to a sum of their sources with factors of the tensor,
/// of its rows or of its columns.
namespace soup {

struct Blend : Prepared {
  enum class Groups { kAll, kRows, kColumns };

  std::vector<double> factors;  ///< of every source, group after group
  Groups groups = Groups::kAll;
  int64_t width = 0;  ///< elements of a row
};

/// One group.
std::unique_ptr<const Prepared> blend(std::vector<double> factors);

/// sum of factor_k x_k.
void make_blend(Piece&);
/// The same with factors at hand.
void make_blend(Piece&, const Blend&);

/// Factors of all sources from those of the donors: a base model has what
/// is missing to 1, as in base + sum f_i (x_i - base).
std::vector<double> with_base(const PlannedTensor&,
                              const std::vector<double>& of_donors);

/// Elements of a row: of the last dimension, 1 for a scalar.
int64_t row_width(const TensorInfo&);

}  // namespace soup
