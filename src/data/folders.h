#pragma once

#include <filesystem>
#include <string>

#include "data/listing.h"
#include "soup/data.h"

namespace soup {

/// Lists the pictures below `folder` as torchvision's ImageFolder: classes in
/// bytewise order of their names, within a class by folder, then by name.
/// Hidden folders and macOS' `._` files are passed over.
/// `labels`: rank, integer or, when they come from a map, map.
/// Throws Error naming the folder at fault.
Listing list_folders(const std::filesystem::path& folder,
                     const std::string& labels);

/// With the labels of the spec's map, where it has one.
Listing list_folders(const DatasetSpec&);

bool folders_present(const DatasetSpec&);

}  // namespace soup
