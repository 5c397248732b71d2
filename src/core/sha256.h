#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace soup {

/// SHA-256 of bytes that come in parts: the hash by which others publish files.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::byte> bytes);
  /// 64 hex digits, as `sha256sum` prints. To be called once, at the end.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace soup
