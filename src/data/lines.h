#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "soup/error.h"

namespace soup {

/// Lines of a text, with their numbers. Empty ones are passed over.
class Lines {
 public:
  Lines(std::string_view text, const std::filesystem::path& where)
      : rest_(text), where_(where) {
    constexpr std::string_view mark = "\xef\xbb\xbf";  // of byte order
    if (rest_.starts_with(mark)) rest_.remove_prefix(mark.size());
  }

  bool next(std::string_view& line) {
    do {
      if (rest_.empty()) return false;
      ++number_;
      const size_t end = std::min(rest_.find('\n'), rest_.size());
      line = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
    } while (line.empty());
    return true;
  }

  std::string place() const {
    return where_.string() + ": line " + std::to_string(number_);
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(place() + ": " + what);
  }

 private:
  std::string_view rest_;
  const std::filesystem::path& where_;
  int64_t number_ = 0;
};

}  // namespace soup
