#include "recipe/memory_sink.h"

namespace soup {

CheckpointPtr soup_in_memory(const Recipe& recipe,
                             std::span<const Checkpoint* const> ingredients) {
  const Plan plan = make_plan(recipe, ingredients);
  std::vector<TensorInfo> tensors;
  for (const PlannedTensor& tensor : plan.tensors) {
    tensors.push_back(tensor.out);
  }
  auto made = std::make_unique<MemoryCheckpoint>("soup", std::move(tensors));
  MemorySink sink(*made);
  mix(plan, ingredients, sink);
  return made;
}

}  // namespace soup
