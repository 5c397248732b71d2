#include "recipe/paths.h"

#include "core/file.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

// Without "/" or "/." at the end.
fs::path trimmed(const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  return normal.has_filename() || !normal.has_parent_path()
             ? normal
             : normal.parent_path();
}

// Absolute, links resolved as far as it exists.
fs::path real(const fs::path& folder) {
  std::error_code failed;  // a name too long, links in a circle
  const fs::path found = fs::weakly_canonical(fs::absolute(folder), failed);
  return failed ? fs::absolute(folder).lexically_normal() : found;
}

fs::path located(const fs::path& path) {
  return (real(recipe_folder(path)) / trimmed(path).filename())
      .lexically_normal();
}

}  // namespace

fs::path recipe_folder(const fs::path& path) {
  return folder_of(trimmed(path));
}

std::string to_recipe(const fs::path& path, const fs::path& folder) {
  const fs::path base = real(folder.empty() ? fs::path(".") : folder);
  const std::string text = located(path).lexically_relative(base).string();
  if (!is_utf8(text)) {
    throw Error(printable(path.string()) +
                ": its name is not UTF-8 and cannot be written to a recipe");
  }
  return text;
}

fs::path from_recipe(const std::string& text, const fs::path& folder) {
  if (text.empty() || text.find('\0') != std::string::npos) {
    throw UsageError("recipe: the path of an ingredient is empty or holds NUL");
  }
  const fs::path path = text;
  if (path.is_absolute()) return path;
  // With links resolved, a leading ".." means the same to us as to the system.
  const fs::path base = real(folder.empty() ? fs::path(".") : folder);
  const fs::path joined = (base / path).lexically_normal();
  return joined.lexically_relative(fs::current_path());
}

}  // namespace soup
