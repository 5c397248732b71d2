#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/listing.h"
#include "soup/data.h"

namespace soup {

/// True for the names of lists: .csv, .tsv, .jsonl, in letters of any size.
bool is_list(const std::filesystem::path& file);

/// A list of pictures, by the extension of `where`. CSV (RFC 4180) and TSV have
/// a first line that names the columns, JSON Lines an object a line; `path` and
/// `label`, a whole number, are read, all else is passed over. Paths start at
/// `folder`. Throws Error naming `where` and the line.
Listing parse_list(std::string_view text, const std::filesystem::path& where,
                   const std::filesystem::path& folder);

/// Lists behind one another.
Listing read_lists(const DatasetSpec&);

}  // namespace soup
