#include "recipe/open_sources.h"

#include "recipe/portions.h"

namespace soup {

OpenSources::OpenSources(const Plan& plan,
                         std::span<const Checkpoint* const> ingredients)
    : plan_(plan),
      ingredients_(ingredients),
      tensors_(std::make_unique<Tensor[]>(plan.tensors.size())) {
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const int64_t count = item_count(plan.tensors[i].out);
    tensors_[i].tiles_left = (count + kTile - 1) / kTile;
  }
}

std::span<const TensorData> OpenSources::get(size_t tensor) {
  Tensor& open = tensors_[tensor];
  std::call_once(open.read, [&] {
    for (const Source& source : plan_.tensors[tensor].sources) {
      open.sources.push_back(
          ingredients_[source.ingredient]->read(source.tensor));
    }
  });
  return open.sources;
}

void OpenSources::done(size_t tensor) {
  Tensor& open = tensors_[tensor];
  if (--open.tiles_left == 0) open.sources.clear();
}

}  // namespace soup
