#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace soup {

/// Walks the regular files of a tar archive (POSIX ustar and pax, GNU's long
/// names) in order. `name` is as stored: it may be hostile, and no file of
/// that name is ever touched.
/// Throws Error naming `where` for damaged headers, sizes beyond the end,
/// sparse files, compressed archives and those without an end of their own.
void for_each_member(
    std::span<const std::byte> archive, const std::string& where,
    const std::function<void(std::string_view name,
                             std::span<const std::byte> content)>& use);

}  // namespace soup
