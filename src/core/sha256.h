#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace soup {

/// SHA-256 (FIPS 180-4) of bytes that come in parts: the hash by which others
/// publish files.
class Sha256 {
 public:
  void add(std::span<const std::byte> bytes);
  /// 64 hex digits, as `sha256sum` prints. To be called once, at the end.
  std::string finish();

 private:
  static constexpr size_t kBlock = 64;
  void add_block(std::span<const std::byte> block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                    0xa54ff53a, 0x510e527f, 0x9b05688c,
                                    0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, kBlock> rest_ = {};  ///< of which no block is full yet
  size_t rest_size_ = 0;
  uint64_t size_ = 0;  ///< of everything, in bytes
};

}  // namespace soup
