#pragma once

#include <filesystem>
#include <optional>

#include "soup/checkpoint.h"

namespace soup {

/// The index of a folder of shards, nullopt when there is none. Throws Error
/// when there are several and none has a usual name.
std::optional<std::filesystem::path> find_index(
    const std::filesystem::path& folder);

/// Opens the shards of an index as one checkpoint whose path is `folder`.
/// Throws Error for files outside the folder, tensors that are missing or in a
/// shard that the index does not give.
CheckpointPtr open_shards(const std::filesystem::path& folder,
                          const std::filesystem::path& index,
                          const OpenOptions&);

}  // namespace soup
