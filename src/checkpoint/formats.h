#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "core/file.h"
#include "soup/checkpoint.h"

/// What the files of this folder offer to each other.
namespace soup {

/// The key of a soup's metadata that holds its recipe.
inline constexpr const char* kRecipeKey = "soup.recipe";

/// As open_checkpoint, but nullptr for a file that is no checkpoint at all.
CheckpointPtr open_if_checkpoint(const std::filesystem::path&,
                                 const OpenOptions&);

// The functions called open_... below return nullptr for a file that has no
// tensors at all.

// safetensors.cpp, safetensors_writer.cpp
bool is_safetensors(std::span<const std::byte> file);
CheckpointPtr open_safetensors(MappedFile file, const OpenOptions&);
std::unique_ptr<CheckpointWriter> create_safetensors(
    const std::filesystem::path& out, std::span<const TensorInfo> tensors,
    const std::map<std::string, std::string>& metadata, const WriteOptions&);

// torch_file.cpp, torch_legacy.cpp
bool is_torch_zip(std::span<const std::byte> file);
CheckpointPtr open_torch_zip(MappedFile file, const OpenOptions&);
bool is_torch_legacy(std::span<const std::byte> file);
CheckpointPtr open_torch_legacy(MappedFile file, const OpenOptions&);
/// The entry of an archive that holds the metadata of a soup, as JSON. Torch
/// reads over entries it does not know.
inline constexpr const char* kTorchMetadataEntry = ".soup_metadata.json";
/// Where people find the recipe of a soup that torch can read: beside it.
std::filesystem::path sidecar_path(const std::filesystem::path&);

// torch_writer.cpp
std::unique_ptr<CheckpointWriter> create_torch(
    const std::filesystem::path& out, std::span<const TensorInfo> tensors,
    const std::map<std::string, std::string>& metadata, const WriteOptions&);

// folder.cpp
/// As std::filesystem::is_directory and is_regular_file; false for what cannot
/// be looked at.
bool is_folder(const std::filesystem::path&);
bool is_file(const std::filesystem::path&);
/// True for a folder that is one model rather than a collection of them, be it
/// one that has to be converted first.
bool is_model_folder(const std::filesystem::path&);
CheckpointPtr open_folder(const std::filesystem::path&, const OpenOptions&);
/// The folder of an index that is named outright.
CheckpointPtr open_index(MappedFile file, const OpenOptions&);

// duplicates.cpp
/// Removes every checkpoint that holds the weights of an earlier one, with a
/// notice.
void drop_duplicates(std::vector<CheckpointPtr>&);

}  // namespace soup
