#include "recipe/sinks.h"

namespace soup {

CheckpointPtr soup_in_memory(const Recipe& recipe,
                             std::span<const Checkpoint* const> ingredients) {
  const Plan plan = make_plan(recipe, ingredients);
  auto made = std::make_unique<MemoryCheckpoint>("soup", outputs_of(plan));
  MemorySink sink(*made);
  mix(plan, ingredients, sink);
  return made;
}

}  // namespace soup
