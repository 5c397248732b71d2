#include <array>

#include "recipe/piece.h"
#include "soup/recipe.h"

namespace soup {
namespace {

bool is_averaged(DType dtype) {
  return is_float(dtype) || info(dtype).kind == DTypeKind::kComplex;
}
bool is_integer(DType dtype) {
  return info(dtype).kind == DTypeKind::kInteger && dtype != DType::kBool;
}
bool is_any(DType) { return true; }

constexpr std::array kRules = {
    Rule{"linear", "weighted mean of floats, rounded once", is_averaged,
         make_linear},
    Rule{"equal", "must be equal in all ingredients", is_any, make_equal},
    Rule{"largest", "largest integer, for counters of batches", is_integer,
         make_largest},
    Rule{"first", "taken from the first ingredient", is_any, make_first},
};

}  // namespace

std::span<const Rule> rules() { return kRules; }

}  // namespace soup
