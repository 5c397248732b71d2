#pragma once

#include <filesystem>
#include <string>

#include "data/listing.h"
#include "soup/data.h"

namespace soup {

/// Lists the pictures below `folder` as torchvision's ImageFolder: classes in
/// bytewise order of their names, within a class by folder, then by name.
/// Hidden folders and macOS' `._` files are passed over.
/// `labels`: rank or integer. Throws Error naming the folder at fault.
Listing list_folders(const std::filesystem::path& folder,
                     const std::string& labels);

bool folders_present(const DatasetSpec&);
Examples load_folders(const DatasetSpec&, const PictureShape&,
                      const Preprocess&);

}  // namespace soup
