#pragma once

#include <string>
#include <string_view>

/// Names from files.
namespace soup {

/// `name` as messages show it: in quotes, control characters escaped, cut when
/// it is long.
std::string quote(std::string_view name);

/// True for well-formed UTF-8 without surrogates: what every format can hold.
bool is_utf8(std::string_view text);

}  // namespace soup
