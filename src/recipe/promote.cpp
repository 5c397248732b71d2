#include "recipe/promote.h"

#include <array>
#include <string_view>

#include "core/table.h"

namespace soup {
namespace {

struct NamedType {
  std::string_view name;
  std::optional<DType> dtype;
};

constexpr std::array kNamedTypes = {
    NamedType{"keep", std::nullopt},
    NamedType{"f64", DType::kF64},
    NamedType{"f32", DType::kF32},
    NamedType{"bf16", DType::kBF16},
    NamedType{"f16", DType::kF16},
    NamedType{"f8_e4m3", DType::kF8E4M3},
    NamedType{"f8_e5m2", DType::kF8E5M2},
    NamedType{"f8_e4m3fnuz", DType::kF8E4M3Fnuz},
    NamedType{"f8_e5m2fnuz", DType::kF8E5M2Fnuz},
};

}  // namespace

std::optional<DType> promote(DType a, DType b) {
  if (a == b) return a;
  if (info(a).kind != info(b).kind) return std::nullopt;
  if (info(a).kind == DTypeKind::kComplex) return DType::kC128;
  if (info(a).kind != DTypeKind::kFloat) return std::nullopt;
  if (bits(a) != bits(b)) return bits(a) > bits(b) ? a : b;
  return bits(a) == 16 ? DType::kF32 : DType::kF16;
}

std::optional<DType> forced_dtype(const std::string& name) {
  return find_row<NamedType>(kNamedTypes, name, "dtype").dtype;
}

DType work_dtype(const Recipe& recipe, DType natural) {
  if (!is_float(natural)) return natural;
  const std::string& name =
      recipe.work_dtype.empty() ? recipe.dtype : recipe.work_dtype;
  return forced_dtype(name).value_or(natural);
}

}  // namespace soup
