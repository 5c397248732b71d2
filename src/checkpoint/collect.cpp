#include <algorithm>
#include <utility>

#include "checkpoint/formats.h"
#include "checkpoint/refusals.h"
#include "core/log.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

struct Item {
  fs::path path;
  bool from_folder = false;
};

bool is_ignored(const fs::path& path, const CollectOptions& options) {
  const std::string name = path.filename().string();
  return std::any_of(
      options.ignore.begin(), options.ignore.end(),
      [&](const std::string& glob) { return glob_matches(glob, name); });
}

// Files and model folders directly in `folder`, in natural order. Names that
// start with a dot are somebody's housekeeping.
std::vector<Item> expand(const fs::path& folder) {
  std::vector<Item> items;
  std::error_code error;
  const fs::directory_iterator entries(folder, error);
  if (error) {
    throw Error(printable(folder.string()) +
                ": cannot read the folder: " + error.message());
  }
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) continue;
    if (entry.is_regular_file(error) ||
        (is_folder(entry.path()) && is_model_folder(entry.path()))) {
      items.push_back({entry.path(), true});
    }
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return natural_less(a.path.filename().string(), b.path.filename().string());
  });
  return items;
}

std::vector<Item> items_of(std::span<const fs::path> paths,
                           const CollectOptions& options) {
  const std::vector<fs::path> here = {"."};
  if (paths.empty()) paths = here;
  std::vector<Item> items;
  for (const fs::path& path : paths) {
    if (!is_folder(path) || is_model_folder(path)) {
      items.push_back({path, false});
      continue;
    }
    for (Item& item : expand(path)) {
      // "./a.pt" is shown as "a.pt".
      if (paths.data() == here.data()) item.path = item.path.filename();
      items.push_back(std::move(item));
    }
  }
  std::erase_if(
      items, [&](const Item& item) { return is_ignored(item.path, options); });
  return items;
}

// nullptr for what is passed over.
CheckpointPtr open_item(const Item& item, const CollectOptions& options) {
  CheckpointPtr opened = item.from_folder
                             ? open_if_checkpoint(item.path, options.open)
                             : open_checkpoint(item.path, options.open);
  if (!opened) {
    log::debug(printable(item.path.string()) + ": no checkpoint, passed over");
    return nullptr;
  }
  if (options.any) return opened;
  if (item.from_folder && opened->metadata().contains(kRecipeKey)) {
    log::info(printable(item.path.string()) +
              ": a soup, passed over (name it outright to count it)");
    return nullptr;
  }
  if (!options.adapters || !adapter_folder(opened->path())) {
    check_averageable(*opened);
  }
  return opened;
}

[[noreturn]] void throw_all(const std::vector<std::string>& failures,
                            bool from_folder) {
  throw Error(
      join(failures, "\n") +
      (from_folder ? "\nfix or remove it, or pass it over with --ignore" : ""));
}

}  // namespace

std::vector<CheckpointPtr> collect_checkpoints(std::span<const fs::path> paths,
                                               const CollectOptions& options) {
  std::vector<CheckpointPtr> opened;
  std::vector<std::string> failures;
  bool from_folder = false;
  for (const Item& item : items_of(paths, options)) {
    try {
      if (CheckpointPtr one = open_item(item, options)) {
        opened.push_back(std::move(one));
      }
    } catch (const Error& e) {
      failures.emplace_back(e.what());
      from_folder |= item.from_folder;
    }
  }
  if (!failures.empty()) throw_all(failures, from_folder);
  if (opened.empty()) {
    throw Error((paths.empty() ? "the current folder"
                               : printable(paths.front().string())) +
                std::string(": no checkpoint found"));
  }
  if (!options.keep_duplicates && !options.any) drop_duplicates(opened);
  return opened;
}

}  // namespace soup
