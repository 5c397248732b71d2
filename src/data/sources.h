#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/listing.h"

namespace soup {

/// What the system says of a file: another stamp, perhaps another content.
struct FileStamp {
  int64_t size = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;  ///< also after what keeps the time of modification
  bool operator==(const FileStamp&) const = default;
};

/// The pictures that were chosen of a listing, by position. Thread-safe.
class Sources {
 public:
  Sources(const Listing& listing, const std::vector<int64_t>& chosen)
      : listing_(listing), chosen_(chosen) {}

  int64_t count() const { return std::ssize(chosen_); }
  /// Its path, or its place in an archive.
  const std::string& path(int64_t i) const { return listing_.files[index(i)]; }
  /// nullopt: it lies in an archive, is not there, or changed so lately that a
  /// further change might leave no trace.
  std::optional<FileStamp> stamp(int64_t i) const;
  /// Calls `use` with the encoded picture. Throws Error naming it.
  void read(int64_t i,
            const std::function<void(std::span<const std::byte>)>& use) const;

 private:
  size_t index(int64_t i) const {
    return static_cast<size_t>(chosen_[static_cast<size_t>(i)]);
  }

  const Listing& listing_;
  const std::vector<int64_t>& chosen_;
};

}  // namespace soup
