#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// Bytes made by hand.
namespace soup::testing {

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// `value` as `size` little-endian bytes.
inline std::string little(uint64_t value, size_t size) {
  std::string out;
  for (size_t i = 0; i < size; ++i) {
    out += i < sizeof value ? static_cast<char>(value >> (8 * i) & 0xff) : '\0';
  }
  return out;
}

}  // namespace soup::testing
