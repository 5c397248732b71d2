#pragma once

#include <string>
#include <vector>

#include "data/listing.h"

namespace soup {

/// Names that `{000..146}` in `pattern` stands for, as WebDataset writes the
/// names of shards: numbers of the width of the first. Without braces:
/// `pattern` alone. Throws UsageError naming `where`.
std::vector<std::string> expand_braces(const std::string& pattern,
                                       const std::string& where);

/// Lists the examples of tar shards in WebDataset's form: members that follow
/// one another and share the name up to the first dot behind the last slash;
/// `.jpg`, `.jpeg`, `.png` or `.webp` is the picture, `.cls` the label in
/// digits. Nothing is copied: the pictures stay in the mapped shards.
/// Throws Error naming shard and member.
Listing list_shards(const DatasetSpec&);

}  // namespace soup
