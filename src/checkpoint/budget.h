#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "soup/error.h"

namespace soup {

/// What parsing one file may cost, so that a small file can ask neither for a
/// large memory nor for a long time.
class Budget {
 public:
  /// `file_size`: what is there to be described; `where` names it in messages.
  Budget(std::string where, size_t file_size)
      : where_(std::move(where)),
        bytes_left_(file_size + kSlack),
        steps_left_(kStepsPerByte * file_size + kSlack) {}

  /// Throws Error when `bytes` more of memory are too many.
  void charge(size_t bytes) { take(bytes, bytes_left_); }
  /// Throws Error when looking at `count` more nodes takes too long.
  void step(size_t count) { take(count, steps_left_); }

 private:
  static constexpr size_t kSlack = 16 << 20;
  static constexpr size_t kStepsPerByte = 32;

  void take(size_t wanted, size_t& left) const {
    if (wanted > left) {
      throw Error(where_ + ": describes more than a file of its size can hold");
    }
    left -= wanted;
  }

  std::string where_;
  size_t bytes_left_;
  size_t steps_left_;
};

}  // namespace soup
