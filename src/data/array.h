#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "data/npy_header.h"

namespace soup {

/// The numbers of a NumPy array, little-endian and in C order whatever the
/// file has.
struct Array {
  NpyHeader header = {};
  std::span<const std::byte> values = {};
  std::string where = {};                  ///< its name in messages
  std::shared_ptr<const void> owner = {};  ///< keeps the values
};

/// The array of a .npy file in memory, which `owner` keeps. Throws Error as
/// parse_npy_header() does.
Array parse_array(std::span<const std::byte> file, const std::string& where,
                  std::shared_ptr<const void> owner);

/// Reads the array of a .npy file, or one of a .npz file: FILE.npz/NAME is the
/// one called so, FILE.npz the first of `usual` that is in it, or else the only
/// one. Throws Error naming file and array, and what else is there.
Array read_array(const std::filesystem::path& path,
                 std::span<const std::string_view> usual = {});

/// All arrays of a .npz file by name. Throws Error.
std::map<std::string, Array> read_arrays(const std::filesystem::path& file);

/// FILE.npz of FILE.npz/NAME, any other path as it is.
std::filesystem::path array_file(const std::filesystem::path& path);

}  // namespace soup
