#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace soup {

/// A 128-bit XXH3 hash: names contents, protects against accidents, not
/// against attackers.
struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};

Hash128 xxh3_128(std::span<const std::byte> data);
/// 32 hex digits, high half first, as `xxhsum -H2` prints.
std::string hex(const Hash128&);

}  // namespace soup
