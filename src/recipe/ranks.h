#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace soup {

/// Ranks of the magnitudes of a row, by a radix sort of their float32 bits;
/// equal ones in the order of their index.
class Ranks {
 public:
  /// Sets bit `first` + i for what stays of row element i: with a probability
  /// that grows evenly with its rank from `least` (the smallest magnitude) to
  /// `most`; halfway where there is only one. Bits of a word may be set by
  /// several threads.
  void keep(std::span<const double> row, std::span<const uint32_t> drawn,
            double least, double most, int64_t first,
            std::vector<uint64_t>& bits);

 private:
  void rank(std::span<const double> row);

  std::vector<uint64_t> entries_;  ///< key above index
  std::vector<uint64_t> other_;
  std::vector<uint32_t> ranks_;
  std::vector<uint64_t> words_;
};

}  // namespace soup
