#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace soup {

/// True when `a` comes before `b` the way people count: model_2 before
/// model_10. A strict weak order.
bool natural_less(std::string_view a, std::string_view b);

/// True when the shell glob `pattern` matches all of `name`.
bool glob_matches(const std::string& pattern, const std::string& name);

/// `text` with control characters as \xNN: names in files are hostile, and
/// terminals obey escape codes.
std::string printable(std::string_view text);

/// `text` with the letters A to Z small.
std::string lower(std::string_view text);

/// A name from a file as messages show it: in quotes, printable, cut when it is
/// long.
std::string quote(std::string_view name);

/// True for well-formed UTF-8 without surrogates: what every format can hold.
bool is_utf8(std::string_view text);

/// "[3, 224, 224]".
std::string shape_text(const std::vector<int64_t>& shape);

/// "1.2 GB": decimal units, as disks and hubs count.
std::string bytes_text(int64_t bytes);

/// Joins with `separator`.
std::string join(const std::vector<std::string>& parts,
                 std::string_view separator);

}  // namespace soup
