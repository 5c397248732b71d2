#include "recipe/draws.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/hash.h"
#include "recipe/kernels.h"

namespace soup {

Draws::Draws(uint64_t seed, std::string_view tensor) {
  std::vector<std::byte> text(sizeof(seed) + tensor.size());
  std::memcpy(text.data(), &seed, sizeof(seed));
  std::copy_n(reinterpret_cast<const std::byte*>(tensor.data()), tensor.size(),
              text.begin() + sizeof(seed));
  key_ = xxh3_128(text).low;
}

void Draws::get(size_t ingredient, int64_t begin, size_t n,
                uint32_t* out) const {
  auto block = static_cast<uint64_t>(begin) / 4;
  auto skip = static_cast<size_t>(begin % 4);
  std::array<uint32_t, kDrawsAtOnce> drawn;
  for (size_t i = 0; i < n; block += kDrawsAtOnce / 4, skip = 0) {
    kernels().task.draw(block, static_cast<uint32_t>(ingredient), key_,
                        drawn.data());
    const size_t count = std::min(drawn.size() - skip, n - i);
    std::copy_n(drawn.begin() + static_cast<std::ptrdiff_t>(skip), count,
                out + i);
    i += count;
  }
}

uint64_t draw_limit(double p) {
  return static_cast<uint64_t>(std::ldexp(std::clamp(p, 0.0, 1.0), 32));
}

}  // namespace soup
