#include "core/hash.h"

#include <xxhash.h>

#include <array>
#include <cstdio>

namespace soup {

Hash128 xxh3_128(std::span<const std::byte> data) {
  const XXH128_hash_t hash = XXH3_128bits(data.data(), data.size());
  return {hash.low64, hash.high64};
}

std::string hex(const Hash128& hash) {
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016lx%016lx",
                static_cast<unsigned long>(hash.high),
                static_cast<unsigned long>(hash.low));
  return text.data();
}

}  // namespace soup
