#pragma once

#include <stdexcept>
#include <string>

namespace soup {

/// A failure the user can act on (a broken file, a full disk): exit code 1.
/// The message is one sentence: file, tensor, what was found, what was
/// expected, and what to do when that is known.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A request that can never succeed as written (an unknown name, options that
/// contradict each other): exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace soup
