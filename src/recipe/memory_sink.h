#pragma once

#include <algorithm>

#include "soup/recipe.h"

namespace soup {

/// Mixed values go into a state dict in memory, of the plan's tensors.
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

}  // namespace soup
