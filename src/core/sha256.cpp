#include "core/sha256.h"

#include <algorithm>
#include <bit>
#include <cstdio>

namespace soup {
namespace {

// The first 32 bits of the fractions of the cube roots of the first primes.
constexpr std::array<uint32_t, 64> kRounds = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t big_endian(std::span<const std::byte> four) {
  uint32_t value = 0;
  for (const std::byte b : four)
    value = value << 8 | std::to_integer<uint32_t>(b);
  return value;
}

std::array<uint32_t, 64> schedule(std::span<const std::byte> block) {
  std::array<uint32_t, 64> words{};
  for (size_t i = 0; i < 16; ++i) {
    words[i] = big_endian(block.subspan(4 * i, 4));
  }
  for (size_t i = 16; i < words.size(); ++i) {
    const uint32_t a = words[i - 15];
    const uint32_t b = words[i - 2];
    words[i] = words[i - 16] + words[i - 7] +
               (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) +
               (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
  }
  return words;
}

}  // namespace

void Sha256::add_block(std::span<const std::byte> block) {
  const std::array<uint32_t, 64> words = schedule(block);
  auto [a, b, c, d, e, f, g, h] = state_;
  for (size_t i = 0; i < words.size(); ++i) {
    const uint32_t high =
        h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
        ((e & f) ^ (~e & g)) + kRounds[i] + words[i];
    const uint32_t low =
        (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) +
        ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + high;
    d = c;
    c = b;
    b = a;
    a = high + low;
  }
  const std::array<uint32_t, 8> made = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < made.size(); ++i) state_[i] += made[i];
}

void Sha256::add(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (rest_size_ == 0 && bytes.size() >= kBlock) {
      add_block(bytes.first(kBlock));
      bytes = bytes.subspan(kBlock);
      continue;
    }
    const size_t part = std::min(bytes.size(), kBlock - rest_size_);
    std::copy_n(bytes.begin(), part, rest_.begin() + rest_size_);
    bytes = bytes.subspan(part);
    rest_size_ += part;
    if (rest_size_ < kBlock) continue;
    add_block(rest_);
    rest_size_ = 0;
  }
}

std::string Sha256::finish() {
  const uint64_t bits = 8 * size_;
  // A one, zeros up to the last eight bytes of a block, the size in bits.
  std::array<std::byte, 2 * kBlock> end = {std::byte{0x80}};
  const size_t zeros = (rest_size_ < 56 ? 56 : 120) - rest_size_;
  for (size_t i = 0; i < 8; ++i) {
    end[zeros + i] = static_cast<std::byte>(bits >> (56 - 8 * i) & 0xff);
  }
  add(std::span(end).first(zeros + 8));
  std::string text;
  for (const uint32_t word : state_) {
    std::array<char, 9> hex{};
    std::snprintf(hex.data(), hex.size(), "%08x", word);
    text += hex.data();
  }
  return text;
}

}  // namespace soup
