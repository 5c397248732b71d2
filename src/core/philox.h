#pragma once

#include <array>
#include <cstdint>

namespace soup {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
/// SC 2011): 128 random bits for every counter, so that what is drawn for an
/// element does not depend on what was drawn before.
constexpr std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter,
                                         uint64_t key) {
  auto low = static_cast<uint32_t>(key);
  auto high = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xd2511f53} * counter[0];
    const uint64_t b = uint64_t{0xcd9e8d57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ low,
               static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ high,
               static_cast<uint32_t>(a)};
    low += 0x9e3779b9;
    high += 0xbb67ae85;
  }
  return counter;
}

}  // namespace soup
