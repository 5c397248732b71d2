#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The index of a sharded Hugging Face model (`*.index.json`). No libtorch.
namespace soup {

struct ShardIndex {
  /// Tensor and the file it lies in, in order of the index.
  std::vector<std::pair<std::string, std::string>> files;
  std::map<std::string, std::string> metadata;  ///< its texts
};

/// Parses and checks an index: names of files only, no paths.
/// `where` names it in messages. Throws Error.
ShardIndex parse_shard_index(std::string_view json, const std::string& where);

}  // namespace soup
