#pragma once

#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "checkpoint/state_dict.h"

/// What must hold of everything that a parser accepts.
namespace soup::fuzz {

inline void require(bool condition) {
  if (!condition) std::abort();
}

inline std::span<const std::byte> as_bytes(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size));
}

/// Every tensor lies inside the file, and reading it stays inside.
inline void check_contents(const TorchContents& contents,
                           std::span<const std::byte> file) {
  require(contents.tensors.size() == contents.places.size());
  for (size_t i = 0; i < contents.tensors.size(); ++i) {
    const TensorInfo& info = contents.tensors[i];
    const TorchPlace& place = contents.places[i];
    require(info.tied_to < static_cast<int64_t>(i));
    require(place.begin >= 0 && place.span >= 0);
    require(static_cast<uint64_t>(place.begin + place.span) <= file.size());
    if (place.strides.empty()) {
      require(info.bytes() == place.span);
    } else if (info.bytes() < 1 << 20) {
      std::vector<std::byte> values(static_cast<size_t>(info.bytes()));
      gather(file.subspan(static_cast<size_t>(place.begin),
                          static_cast<size_t>(place.span)),
             info.shape, place.strides,
             static_cast<size_t>(bits(info.dtype) / 8), values.data());
    }
  }
}

}  // namespace soup::fuzz
