#pragma once

#include <optional>
#include <string>

#include "core/dtype.h"
#include "soup/recipe.h"

namespace soup {

/// The narrowest type that holds the values of both, as torch promotes:
/// F16 and BF16 give F32, an 8-bit float with any other float the wider one,
/// two different 8-bit floats F16. Nullopt where the kinds differ or integer
/// types do: nothing sensible comes of averaging those.
std::optional<DType> promote(DType a, DType b);

/// The type that --dtype asks for, nullopt for `keep`.
/// Throws UsageError for an unknown name.
std::optional<DType> forced_dtype(const std::string& name);

/// What a tensor whose inputs' common type is `natural` is computed in under
/// Numerics::kMergekit.
DType work_dtype(const Recipe& recipe, DType natural);

}  // namespace soup
