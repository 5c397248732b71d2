#pragma once

#include "soup/recipe.h"

namespace soup {

/// For what mixing finds out on the way.
class NoSink : public Sink {
 public:
  void write(size_t /*index*/, int64_t /*offset*/,
             std::span<const std::byte> /*data*/) override {}
};

}  // namespace soup
