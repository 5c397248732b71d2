#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/text.h"
#include "recipe/piece.h"

namespace soup {
namespace {

template <typename T>
void largest_of(Piece& piece) {
  for (size_t i = 0; i < piece.count; ++i) {
    T best{};
    for (size_t k = 0; k < piece.tensor.sources.size(); ++k) {
      T value{};
      std::memcpy(&value, piece.source(k) + i * sizeof(T), sizeof(T));
      best = k == 0 ? value : std::max(best, value);
    }
    std::memcpy(piece.out.data() + i * sizeof(T), &best, sizeof(T));
  }
}

}  // namespace

size_t item_bytes(DType dtype) {
  return std::max<size_t>(static_cast<size_t>(bits(dtype)) / 8, 1);
}

std::string quoted(const TensorInfo& tensor) {
  return "'" + printable(tensor.name) + "'";
}

void make_first(Piece& piece) {
  std::memcpy(piece.out.data(), piece.source(0), piece.out.size());
}

void make_equal(Piece& piece) {
  make_first(piece);
  for (size_t k = 1; k < piece.tensor.sources.size(); ++k) {
    const bool same =
        std::memcmp(piece.out.data(), piece.source(k), piece.out.size()) == 0;
    if (!same) piece.findings.differs[k] = true;
  }
}

void make_largest(Piece& piece) {
  switch (piece.tensor.out.dtype) {
    case DType::kU8:
      return largest_of<uint8_t>(piece);
    case DType::kI8:
      return largest_of<int8_t>(piece);
    case DType::kI16:
      return largest_of<int16_t>(piece);
    case DType::kU16:
      return largest_of<uint16_t>(piece);
    case DType::kI32:
      return largest_of<int32_t>(piece);
    case DType::kU32:
      return largest_of<uint32_t>(piece);
    case DType::kI64:
      return largest_of<int64_t>(piece);
    case DType::kU64:
      return largest_of<uint64_t>(piece);
    default:
      throw std::logic_error("not an integer type");
  }
}

}  // namespace soup
