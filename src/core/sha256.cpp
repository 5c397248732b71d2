#include "core/sha256.h"

#include <sha256.h>

#include <array>

namespace soup {

struct Sha256::State {
  SHA256_CTX context = {};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  SHA256Init(&state_->context);
}

Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  SHA256Update(&state_->context, reinterpret_cast<const uint8_t*>(bytes.data()),
               bytes.size());
}

std::string Sha256::finish() {
  std::array<char, SHA256_DIGEST_STRING_LENGTH> text{};
  return SHA256End(&state_->context, text.data());
}

}  // namespace soup
