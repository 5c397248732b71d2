#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "soup/error.h"

namespace soup {

/// What parsing one file may allocate, so that a small file cannot ask for a
/// large memory.
class Budget {
 public:
  /// `file_size`: what is there to be described; `where` names it in messages.
  Budget(std::string where, size_t file_size)
      : where_(std::move(where)), left_(file_size + kSlack) {}

  /// Throws Error when `bytes` more are too many.
  void charge(size_t bytes) {
    if (bytes > left_) {
      throw Error(where_ + ": describes more than a file of its size can hold");
    }
    left_ -= bytes;
  }

 private:
  static constexpr size_t kSlack = 16 << 20;
  std::string where_;
  size_t left_;
};

}  // namespace soup
