#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "soup/checkpoint.h"

/// What looks like a checkpoint and is none that can be averaged.
namespace soup {

/// A row of the table of refused files.
struct Refusal {
  bool (*recognise)(std::span<const std::byte> file);
  std::string_view message;  ///< after the file's name
  bool in_folders = false;   ///< an error in a folder too, not passed over
};

/// The row for a file with these bytes and this name, or nullptr.
const Refusal* find_refusal(std::span<const std::byte> file,
                            const std::filesystem::path& path);

/// Throws Error for a folder that is a checkpoint of a kind that has to be
/// converted first (DCP, FSDP, DeepSpeed), saying how.
void check_folder(const std::filesystem::path& folder);
/// True for a folder that check_folder refuses.
bool is_refused_folder(const std::filesystem::path& folder);

}  // namespace soup
