#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Bytes as text (RFC 4648, section 4, with padding).
namespace soup {

std::string base64(std::span<const std::byte> bytes);
/// nullopt for what is no base64: it is checked to the last bit.
std::optional<std::vector<std::byte>> from_base64(std::string_view text);

}  // namespace soup
