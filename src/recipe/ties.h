#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "soup/recipe.h"

/// Tensors that are one tensor under two names.
namespace soup {

/// The tensor whose values tensor `index` shares: itself when it is not tied.
size_t root_of(std::span<const TensorInfo> tensors, size_t index);

/// Index in `other` of what tensor `index` of `first` is called there. Where it
/// is missing but tied in `first` to a tensor that `other` has, that one:
/// formats without ties keep one of the names only.
std::optional<size_t> find_tied(const Checkpoint& other,
                                const Checkpoint& first, size_t index);

/// True when tensor `index` of `other` is tied there to one `first` has.
bool is_alias_of_known(const Checkpoint& other, const Checkpoint& first,
                       size_t index);

/// Ties output tensors that are tied in every ingredient (and both mixed or
/// both not): those lose rule and sources. Returns notices about tensors that
/// are tied in some ingredients only.
std::vector<std::string> tie_tensors(
    Plan& plan, std::span<const Checkpoint* const> ingredients,
    const std::vector<bool>& mixed);

}  // namespace soup
