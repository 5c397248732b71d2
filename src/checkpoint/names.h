#pragma once

#include <string>
#include <string_view>

namespace soup {

/// A name from a file as messages show it: in quotes, control characters
/// escaped, cut when it is long.
std::string quote(std::string_view name);

}  // namespace soup
