#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace soup {

/// Random numbers of one tensor: 32 bits for every element of every ingredient,
/// the same in whatever order and on however many threads they are asked for.
class Draws {
 public:
  Draws(uint64_t seed, std::string_view tensor);

  /// Of elements [begin, begin + n).
  void get(size_t ingredient, int64_t begin, size_t n, uint32_t* out) const;

 private:
  uint64_t key_;
};

/// A draw below this happens with probability `p`.
uint64_t draw_limit(double p);

}  // namespace soup
