#pragma once

#include <filesystem>
#include <string>

/// Paths in recipes are relative to the folder of the file that carries them,
/// so that a folder of models and soups can be moved as a whole.
namespace soup {

/// `path` as a recipe in `folder` names it. Follows links to folders, not a
/// link to the file itself: its name is what the user knows.
/// Throws Error when the name is not UTF-8 and so cannot be written as JSON.
std::string to_recipe(const std::filesystem::path& path,
                      const std::filesystem::path& folder);

/// What a recipe in `folder` means by `text`, relative to the current folder.
/// Throws UsageError when it is empty or holds NUL.
std::filesystem::path from_recipe(const std::string& text,
                                  const std::filesystem::path& folder);

/// The folder whose recipe the soup at `path` carries: the one it lies in, also
/// for a soup that is a folder, with or without a slash at its end.
std::filesystem::path recipe_folder(const std::filesystem::path& path);

}  // namespace soup
