#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace soup {

/// What a NumPy array file (numpy/lib/format.py, versions 1 to 3) says of its
/// values.
struct NpyHeader {
  char kind = 'u';    ///< b, i, u or f
  int64_t width = 1;  ///< bytes of a value
  std::vector<int64_t> shape;
  int64_t count = 1;  ///< of values
  size_t offset = 0;  ///< of the first value
  bool big_endian = false;
  bool fortran = false;  ///< the first index changes fastest
};

/// Reads the header, a Python literal, without evaluating it, and checks that
/// the file ends where its values do. Throws Error naming `where`, for Python
/// objects and structures too.
NpyHeader parse_npy_header(std::span<const std::byte> file,
                           const std::string& where);

/// All values, little-endian and in C order, as numbers, which a double holds
/// exactly below 2^53.
std::vector<double> npy_values(const NpyHeader& header,
                               std::span<const std::byte> values);

/// Whole numbers as labels. Throws Error naming `where` for one that is
/// negative or too large.
std::vector<int32_t> npy_labels(const NpyHeader& header,
                                std::span<const std::byte> values,
                                const std::string& where);

}  // namespace soup
