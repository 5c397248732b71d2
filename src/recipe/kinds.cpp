#include "recipe/kinds.h"

namespace soup {

bool is_averaged(DType dtype) {
  return is_float(dtype) || info(dtype).kind == DTypeKind::kComplex;
}

std::string_view copying_rule(const Recipe& recipe, std::string_view name,
                              DType dtype) {
  const bool counts =
      info(dtype).kind == DTypeKind::kInteger && dtype != DType::kBool;
  if (counts && name.ends_with("num_batches_tracked")) return "largest";
  return recipe.ints == IntPolicy::kFirst ? "first" : "equal";
}

}  // namespace soup
