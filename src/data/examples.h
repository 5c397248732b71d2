#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/hash.h"
#include "soup/data.h"

namespace soup {

/// The files that `spec` names one by one.
std::vector<std::filesystem::path> files_of(const DatasetSpec& spec);

/// True when the files that `spec` names one by one are all there.
bool files_present(const DatasetSpec& spec);

/// Throws Error for the first of them that is not.
void check_files(const DatasetSpec& spec);

/// The range of `spec`, or all. Throws Error when it ends behind `count`.
std::array<int64_t, 2> checked_range(const DatasetSpec& spec, int64_t count);

/// Bytes of so many pictures. Throws Error when memory does not hold them.
int64_t check_memory(const DatasetSpec& spec, int64_t count,
                     const PictureShape& shape);

/// Examples with room for the pixels, all else still empty. Throws Error as
/// check_memory() does.
Examples make_examples(const DatasetSpec& spec, int64_t count,
                       const PictureShape& shape);

/// Examples::content from the hashes of the pictures.
std::string content_of(std::span<const Hash128> pictures);
/// The same, from the pixels.
std::string content_of(const Examples& examples);

}  // namespace soup
