#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "recipe/draws.h"
#include "recipe/rounding.h"
#include "recipe/select.h"
#include "recipe/whole.h"

/// Task vectors (what a model differs from its base) with most of their
/// elements left out.
namespace soup {

/// Which elements of one task vector stay.
struct Thinning {
  enum class Kind {
    kAll,
    kNone,
    kBand,    ///< what `keep` keeps and `drop` does not
    kRandom,  ///< with draws below `limit`
    kBits,
  };
  Kind kind = Kind::kAll;
  Cut keep;
  Cut drop;
  uint64_t limit = 0;
  std::vector<uint64_t> bits;
  double scale = 1;  ///< what stays is multiplied by it
};

/// Of all donors of a tensor, in their order.
struct Thinned : Prepared {
  std::vector<Thinning> donors;
};

/// How the elements that stay are chosen.
enum class Thin {
  kMagnitude,  ///< the largest: TIES, arXiv:2306.01708
  kOutliers,   ///< the largest but for the very largest: arXiv:2312.06795
  kRandom,     ///< DARE, arXiv:2311.03099
  kByRank,     ///< likelier the larger in its row: DELLA, arXiv:2406.11617
};

std::unique_ptr<const Prepared> thin(const WholeTensor& whole, Thin how);

/// Applies a thinning: shares[i] is 1 where element i stays and else 0.
class Sieve {
 public:
  explicit Sieve(const PlannedTensor& tensor);

  /// `differences`: elements [begin, begin + n) of the task vector of source
  /// k, at most kRun.
  void shares(const Thinning&, size_t k, int64_t begin, size_t n,
              const double* differences, double* shares) const;
  /// Makes differences the magnitudes by which elements are compared.
  void magnitudes(double* differences, size_t n) const;
  bool float_magnitudes() const { return floats_; }

 private:
  void cut(const Cut& cut, int64_t begin, size_t n, const double* differences,
           double* shares) const;

  const PlannedTensor& tensor_;
  Draws draws_;
  bool floats_ = true;
};

/// Elements of a row as DELLA ranks them: all but the first dimension, or all.
int64_t ranked_width(const TensorInfo&);
int64_t bits_memory(const PlannedTensor&);

}  // namespace soup
