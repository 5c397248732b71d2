#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/zip.h"
#include "data/array.h"

namespace soup {

/// True when these bytes begin like a zip archive.
bool is_zip(std::span<const std::byte> file);

/// NumPy's archives of arrays (numpy.savez, savez_compressed): a zip file of
/// .npy files, stored or deflated.
class Npz {
 public:
  /// `owner` keeps `file`. Throws Error naming `where` for what is no sound
  /// archive.
  Npz(std::span<const std::byte> file, std::string where,
      std::shared_ptr<const void> owner);

  /// Of the arrays, without the extension, in bytewise order.
  const std::vector<std::string>& names() const { return names_; }

  /// The array of that name, unpacked where it has to be. Throws Error, with
  /// the names of all where it is not there.
  Array read(const std::string& name) const;

 private:
  std::string where_;
  ZipArchive archive_;
  std::shared_ptr<const void> owner_;
  std::vector<std::string> names_;
};

}  // namespace soup
