#include "data/folders.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/text.h"
#include "data/label_map.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 32;

// The extensions of torchvision's ImageFolder: a picture that cannot be read
// must be an error, not a gap in the order.
constexpr std::array<std::string_view, 9> kExtensions = {
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};

bool is_picture(const std::string& name) {
  if (name.starts_with("._")) return false;
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return false;
  const std::string extension = lower(name.substr(dot));
  return std::find(kExtensions.begin(), kExtensions.end(), extension) !=
         kExtensions.end();
}

/// One folder's names, sorted bytewise.
struct Names {
  std::vector<std::string> folders;
  std::vector<std::string> files;
};

Names read_names(const std::string& folder) {
  Names names;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      std::string name = entry.path().filename().string();
      std::error_code broken_link;
      if (entry.is_directory(broken_link)) {
        if (!name.starts_with('.')) names.folders.push_back(std::move(name));
      } else if (is_picture(name)) {
        names.files.push_back(std::move(name));
      }
    }
  } catch (const fs::filesystem_error& e) {
    throw Error(folder + ": cannot list: " + e.code().message());
  }
  std::sort(names.folders.begin(), names.folders.end());
  std::sort(names.files.begin(), names.files.end());
  return names;
}

/// Folder and its pictures, of all folders below `folder` and itself.
using Tree = std::vector<std::pair<std::string, std::vector<std::string>>>;

void walk(const std::string& folder, int depth, Tree& tree) {
  if (depth > kMaxDepth) {
    throw Error(folder +
                ": folders are nested too deep; does a link lead to "
                "a folder above it?");
  }
  Names names = read_names(folder);
  tree.emplace_back(folder, std::move(names.files));
  for (const std::string& name : names.folders) {
    walk(folder + "/" + name, depth + 1, tree);
  }
}

int32_t integer_label(const std::string& name, const std::string& folder) {
  const std::optional<int32_t> label = parse_label(name);
  if (label) return *label;
  throw Error(folder + "/" + name +
              ": with 'labels': 'integer' the name of a class folder is its "
              "number");
}

void add_class(const std::string& folder, int32_t label, Listing& listing) {
  Tree tree;
  walk(folder, 0, tree);
  std::sort(tree.begin(), tree.end());
  const size_t before = listing.files.size();
  for (const auto& [place, files] : tree) {
    for (const std::string& file : files) {
      listing.files.push_back(place + "/" + file);
      listing.labels.push_back({label});
    }
  }
  if (listing.files.size() == before) {
    throw Error(folder + ": no picture in this class folder");
  }
}

}  // namespace

Listing list_folders(const fs::path& folder, const std::string& labels) {
  const std::string root = folder.string();
  if (!fs::is_directory(folder)) {
    throw Error(root + ": no such folder; expected class folders in it");
  }
  const Names names = read_names(root);
  if (names.folders.empty()) {
    throw Error(root +
                ": no class folders in it; expected one folder of "
                "pictures a class");
  }
  Listing listing;
  listing.class_folders = std::ssize(names.folders);
  if (labels == "rank") listing.class_names = names.folders;
  for (size_t i = 0; i < names.folders.size(); ++i) {
    const std::string& name = names.folders[i];
    const int32_t label = labels == "integer" ? integer_label(name, root)
                                              : static_cast<int32_t>(i);
    add_class(root + "/" + name, label, listing);
  }
  return listing;
}

bool folders_present(const DatasetSpec& spec) {
  std::error_code error;
  return fs::is_directory(spec.path, error);
}

Listing list_folders(const DatasetSpec& spec) {
  if (spec.places.size() > 1 && !folders_present(spec)) {
    std::vector<std::string> places;
    for (const fs::path& place : spec.places) places.push_back(place.string());
    throw Error(join(places, ", ") + ": no such folders; " + spec.name +
                " is expected in one of them (--data or $SOUP_DATA says where "
                "named data sets lie)");
  }
  Listing listing = list_folders(spec.path, spec.labels);
  const int64_t expected = spec.expect.classes.value_or(listing.class_folders);
  if (spec.labels == "rank" && expected != listing.class_folders) {
    throw Error(spec.path.string() + ": has " +
                std::to_string(listing.class_folders) + " class folders, but " +
                spec.name + " has " + std::to_string(expected) +
                "; a label is the rank of a folder's name");
  }
  if (!spec.label_map.empty()) {
    apply_label_map(read_label_map(spec.label_map, listing.files),
                    spec.label_map.string(), listing);
  }
  return listing;
}

}  // namespace soup
