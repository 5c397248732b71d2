#pragma once

#include <optional>
#include <string>

namespace soup {

/// A dictionary that several processes share. Thread-safe. What is in it was
/// written by others and is not to be trusted.
/// All throw Error when it cannot be reached (any more), which set() may leave
/// to the next call.
class Store {
 public:
  virtual ~Store() = default;
  /// The others see it soon, this process at once.
  virtual void set(const std::string& key, const std::string& value) = 0;
  /// nullopt where nothing was set yet.
  virtual std::optional<std::string> get(const std::string& key) = 0;
  virtual void erase(const std::string& key) = 0;
};

}  // namespace soup
