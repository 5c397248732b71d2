#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

namespace soup {

/// Parses JSON that may be hostile: nesting is bounded, a key given twice is
/// an error. `where` is put in front of messages.
/// Throws Error with the position of the mistake.
nlohmann::ordered_json parse_json(std::string_view text,
                                  const std::string& where);

/// The same with the keys of objects sorted: for objects of 100,000 keys that
/// are looked up.
nlohmann::json parse_large_json(std::string_view text,
                                const std::string& where);

/// Reads and parses a file of at most `limit` bytes.
nlohmann::ordered_json read_json(const std::filesystem::path& path,
                                 size_t limit = 64 << 20);

/// Throws UsageError when `object` is no object or has a key that is not among
/// `keys`, with the nearest one.
void check_keys(const nlohmann::ordered_json& object,
                std::span<const std::string_view> keys,
                const std::string& where);

/// `value` as people write it: 1 rather than 1.0.
nlohmann::ordered_json plain_number(double value);

/// `object[key]` as a T. Throws UsageError naming key and type found.
template <typename T>
T get_as(const nlohmann::ordered_json& object, const std::string& key,
         const std::string& where);

extern template std::string get_as(const nlohmann::ordered_json&,
                                   const std::string&, const std::string&);
extern template double get_as(const nlohmann::ordered_json&, const std::string&,
                              const std::string&);
extern template int64_t get_as(const nlohmann::ordered_json&,
                               const std::string&, const std::string&);
extern template bool get_as(const nlohmann::ordered_json&, const std::string&,
                            const std::string&);
extern template std::vector<std::string> get_as(const nlohmann::ordered_json&,
                                                const std::string&,
                                                const std::string&);
extern template std::vector<double> get_as(const nlohmann::ordered_json&,
                                           const std::string&,
                                           const std::string&);

}  // namespace soup
