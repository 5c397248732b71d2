#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "soup/data.h"

namespace soup {

/// Files of a folder of class folders, in order.
struct FolderListing {
  std::vector<std::string> files;  ///< paths
  std::vector<int32_t> labels;
  std::vector<std::string> class_names;  ///< by label; empty where unknown
};

/// Lists the pictures below `folder` as torchvision's ImageFolder: classes in
/// bytewise order of their names, within a class by folder, then by name.
/// Hidden folders and macOS' `._` files are passed over.
/// `labels`: rank or integer. Throws Error naming the folder at fault.
FolderListing list_folders(const std::filesystem::path& folder,
                           const std::string& labels);

bool folders_present(const DatasetSpec&);
Examples load_folders(const DatasetSpec&, const PictureShape&,
                      const Preprocess&);

}  // namespace soup
