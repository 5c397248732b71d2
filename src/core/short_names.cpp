#include "core/short_names.h"

#include <algorithm>
#include <set>

namespace soup {
namespace {

namespace fs = std::filesystem;

// The last `parts` parts of a path.
fs::path tail(const fs::path& path, ptrdiff_t parts) {
  const ptrdiff_t all = std::distance(path.begin(), path.end());
  fs::path last;
  for (auto part = std::next(path.begin(), std::max<ptrdiff_t>(all - parts, 0));
       part != path.end(); ++part) {
    last /= *part;
  }
  return last;
}

size_t distinct_tails(const std::set<fs::path>& paths, ptrdiff_t parts) {
  std::set<fs::path> tails;
  for (const fs::path& path : paths) tails.insert(tail(path, parts));
  return tails.size();
}

}  // namespace

ShortNames::ShortNames(std::span<const fs::path> paths) {
  const std::set<fs::path> all(paths.begin(), paths.end());
  ptrdiff_t most = 1;
  for (const fs::path& path : all) {
    most = std::max(most, std::distance(path.begin(), path.end()));
  }
  ptrdiff_t parts = 1;
  while (parts < most && distinct_tails(all, parts) < all.size()) ++parts;
  const bool one_name = parts > 1 && distinct_tails(all, 1) == 1;
  for (const fs::path& path : all) {
    const fs::path name = tail(path, parts);
    names_[path] = one_name && name.has_parent_path()
                       ? name.parent_path().string()
                       : name.string();
  }
}

std::string ShortNames::of(const fs::path& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? path.filename().string() : found->second;
}

size_t ShortNames::widest() const {
  size_t widest = 0;
  for (const auto& [path, name] : names_)
    widest = std::max(widest, name.size());
  return widest;
}

}  // namespace soup
