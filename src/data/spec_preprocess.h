#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "soup/data.h"

namespace soup {

/// Throws UsageError when `value` of the key `key` is none of `choices`.
void check_choice(const std::string& value, const std::string& key,
                  std::span<const std::string_view> choices,
                  const std::string& where);

/// The object `preprocess` of a spec. Throws UsageError.
Preprocess parse_preprocess(const nlohmann::ordered_json& json,
                            const std::string& where);

}  // namespace soup
