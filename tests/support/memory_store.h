#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "core/store.h"
#include "soup/error.h"

namespace soup::testing {

/// A store within one process.
class MemoryStore : public Store {
 public:
  void set(const std::string& key, const std::string& value) override {
    const auto lock = locked();
    values_[key] = value;
  }
  std::optional<std::string> get(const std::string& key) override {
    const auto lock = locked();
    const auto found = values_.find(key);
    if (found == values_.end()) return std::nullopt;
    return found->second;
  }
  void erase(const std::string& key) override {
    const auto lock = locked();
    values_.erase(key);
  }
  /// From now on nobody can reach it.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }

 private:
  std::unique_lock<std::mutex> locked() {
    std::unique_lock lock(mutex_);
    if (closed_) throw Error("the store is closed");
    return lock;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> values_;
  bool closed_ = false;
};

}  // namespace soup::testing
