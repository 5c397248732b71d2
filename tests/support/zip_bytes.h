#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/bytes.h"

/// Zip archives made by hand.
namespace soup::testing {

/// An archive and where its parts are, so that tests can break them.
struct ZipBytes {
  std::string bytes;
  std::vector<size_t> local;    ///< local headers
  std::vector<size_t> central;  ///< directory entries
  size_t end = 0;               ///< end record

  void patch(size_t at, uint64_t value, size_t size) {
    bytes.replace(at, size, little(value, size));
  }
};

/// Stored entries without a gap.
inline ZipBytes zip(
    const std::vector<std::pair<std::string, std::string>>& entries) {
  ZipBytes out;
  std::string directory;
  for (const auto& [name, data] : entries) {
    const size_t at = out.bytes.size();
    out.local.push_back(at);
    const std::string common = little(0, 2) + little(0, 2) + little(0, 8) +
                               little(data.size(), 4) + little(data.size(), 4) +
                               little(name.size(), 2) + little(0, 2);
    out.bytes += "PK\3\4" + little(20, 2) + common + name + data;
    out.central.push_back(directory.size());
    directory += "PK\1\2" + little(20, 2) + little(20, 2) + common +
                 little(0, 10) + little(at, 4) + name;
  }
  const size_t begin = out.bytes.size();
  for (size_t& at : out.central) at += begin;
  out.end = begin + directory.size();
  out.bytes += directory + "PK\5\6" + little(0, 4) + little(entries.size(), 2) +
               little(entries.size(), 2) + little(directory.size(), 4) +
               little(begin, 4) + little(0, 2);
  return out;
}

}  // namespace soup::testing
