#include "search/in_memory.h"

#include <algorithm>

#include "soup/search.h"

namespace soup {
namespace {

class MemorySink : public Sink {
 public:
  explicit MemorySink(MemoryCheckpoint& out) : out_(out) {}
  void write(size_t index, int64_t offset,
             std::span<const std::byte> data) override {
    std::copy(data.begin(), data.end(),
              out_.mutable_bytes(index).begin() + offset);
  }

 private:
  MemoryCheckpoint& out_;
};

}  // namespace

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
