#include "recipe/ties.h"

#include <algorithm>

#include "recipe/piece.h"

namespace soup {
namespace {

size_t root(const Checkpoint& checkpoint, size_t index) {
  return root_of(checkpoint.tensors(), index);
}

bool tied(const Checkpoint& checkpoint, size_t a, size_t b) {
  return root(checkpoint, a) == root(checkpoint, b);
}

// First ingredient in which sources of `a` and `b` are not tied, or null.
const Checkpoint* untied_in(const PlannedTensor& a, const PlannedTensor& b,
                            std::span<const Checkpoint* const> ingredients) {
  for (size_t k = 0; k < std::min(a.sources.size(), b.sources.size()); ++k) {
    const Checkpoint& checkpoint = *ingredients[a.sources[k].ingredient];
    if (!tied(checkpoint, a.sources[k].tensor, b.sources[k].tensor)) {
      return &checkpoint;
    }
  }
  return nullptr;
}

}  // namespace

size_t root_of(std::span<const TensorInfo> tensors, size_t index) {
  const int64_t tied_to = tensors[index].tied_to;
  return tied_to < 0 ? index : static_cast<size_t>(tied_to);
}

std::optional<size_t> find_tied(const Checkpoint& other,
                                const Checkpoint& first, size_t index) {
  const std::span<const TensorInfo> tensors = first.tensors();
  const std::optional<size_t> found = other.find(tensors[index].name);
  if (found || tensors[index].tied_to < 0) return found;
  return other.find(tensors[root(first, index)].name);
}

bool is_alias_of_known(const Checkpoint& other, const Checkpoint& first,
                       size_t index) {
  const size_t target = root(other, index);
  return target != index &&
         first.find(other.tensors()[target].name).has_value();
}

std::vector<std::string> tie_tensors(
    Plan& plan, std::span<const Checkpoint* const> ingredients,
    const std::vector<bool>& mixed) {
  const Checkpoint& first = *ingredients.front();
  std::vector<std::string> notices;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const size_t target = root(first, i);
    if (target == i || mixed[i] != mixed[target]) continue;
    PlannedTensor& tensor = plan.tensors[i];
    const PlannedTensor& other = plan.tensors[target];
    if (const Checkpoint* untied = untied_in(tensor, other, ingredients)) {
      notices.push_back(quoted(tensor.out) + " is tied to " +
                        quoted(other.out) + " in " + first.path().string() +
                        " but not in " + untied->path().string() +
                        "; the two are averaged apart");
      continue;
    }
    tensor.out.tied_to = static_cast<int64_t>(target);
    tensor.rule = nullptr;
    tensor.sources.clear();
  }
  return notices;
}

}  // namespace soup
