#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soup/checkpoint.h"

namespace soup {

/// Which tensors (indices, in order) go into which shard: filled one after the
/// other, a shard is never larger than `shard_size` bytes of values unless it
/// holds a single tensor. Tied tensors go with what they are tied to.
std::vector<std::vector<size_t>> plan_shards(
    std::span<const TensorInfo> tensors, int64_t shard_size);

/// Throws what create_folder would throw about `out`.
void check_folder_output(const std::filesystem::path& out, bool force);

/// Writes a model folder as Hugging Face has it: shards with an index, or one
/// model.safetensors. The folder appears whole at commit; with `force` it takes
/// the place of another model's folder.
std::unique_ptr<CheckpointWriter> create_folder(
    const std::filesystem::path& out, std::span<const TensorInfo> tensors,
    const std::map<std::string, std::string>& metadata, const WriteOptions&);

}  // namespace soup
