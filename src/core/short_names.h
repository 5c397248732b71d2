#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace soup {

/// What people are shown instead of paths: the names of the files or, where
/// several have the same (`run_1/model.safetensors`), as much more of the paths
/// as tells them apart, without the name that all have.
class ShortNames {
 public:
  explicit ShortNames(std::span<const std::filesystem::path> paths);
  /// Of what has a path().
  template <typename Pointers>
  static ShortNames of_all(const Pointers& files) {
    std::vector<std::filesystem::path> paths;
    for (const auto& file : files) paths.push_back(file->path());
    return ShortNames(paths);
  }

  /// That of one of the paths; of any other its file's name.
  std::string of(const std::filesystem::path& path) const;
  size_t widest() const;

 private:
  std::map<std::filesystem::path, std::string> names_;
};

}  // namespace soup
