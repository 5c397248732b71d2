#include "core/json.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "core/file.h"
#include "core/table.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

constexpr int kMaxDepth = 64;

// nlohmann keeps the last of two equal keys without a word and recurses when it
// destroys: both are caught while parsing.
template <typename Json>
class Checks {
 public:
  explicit Checks(std::string where) : where_(std::move(where)) {}

  bool operator()(int depth, typename Json::parse_event_t event,
                  const Json& parsed) {
    using Event = typename Json::parse_event_t;
    if (event == Event::object_start) {
      if (depth >= kMaxDepth) throw Error(where_ + ": JSON is nested too deep");
      keys_.emplace_back();
    } else if (event == Event::array_start && depth >= kMaxDepth) {
      throw Error(where_ + ": JSON is nested too deep");
    } else if (event == Event::object_end) {
      keys_.pop_back();
    } else if (event == Event::key) {
      const auto key = parsed.template get<std::string>();
      if (!keys_.back().insert(key).second) {
        throw Error(where_ + ": JSON has the key '" + printable(key) +
                    "' twice");
      }
    }
    return true;
  }

 private:
  std::string where_;
  std::vector<std::set<std::string>> keys_;
};

template <typename Json>
Json parse(std::string_view text, const std::string& where) {
  Checks<Json> checks(where);
  try {
    return Json::parse(text.begin(), text.end(), std::ref(checks));
  } catch (const nlohmann::json::exception& e) {
    throw Error(where + ": " + printable(e.what()));
  }
}

}  // namespace

ordered_json parse_json(std::string_view text, const std::string& where) {
  return parse<ordered_json>(text, where);
}

nlohmann::json parse_large_json(std::string_view text,
                                const std::string& where) {
  return parse<nlohmann::json>(text, where);
}

ordered_json read_json(const std::filesystem::path& path, size_t limit) {
  return parse_json(read_text(path, limit), path.string());
}

void check_keys(const ordered_json& object,
                std::span<const std::string_view> keys,
                const std::string& where) {
  if (!object.is_object()) {
    throw UsageError(where + ": expected a JSON object, found " +
                     object.type_name());
  }
  for (const auto& [key, value] : object.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      throw UsageError(where + ": unknown key '" + printable(key) + "'" +
                       suggestion(key, keys));
    }
  }
}

template <typename T>
T get_as(const ordered_json& object, const std::string& key,
         const std::string& where) {
  const ordered_json& value = object.at(key);
  constexpr bool kNumber =
      std::is_same_v<T, double> || std::is_same_v<T, int64_t>;
  // nlohmann converts 1.5 to 1 and true to 1.0 silently.
  const bool wrong = (kNumber && !value.is_number()) ||
                     (std::is_same_v<T, int64_t> && !value.is_number_integer());
  try {
    if (!wrong) return value.get<T>();
  } catch (const nlohmann::json::exception&) {
    // reported below
  }
  throw UsageError(
      where + ": '" + key + "' has the wrong type or value: " +
      printable(
          value.dump(-1, ' ', false, ordered_json::error_handler_t::replace)
              .substr(0, 80)));
}

ordered_json plain_number(double value) {
  constexpr double kExact = 9e15;
  if (value == std::trunc(value) && std::fabs(value) < kExact) {
    return static_cast<int64_t>(value);
  }
  return value;
}

template std::string get_as(const ordered_json&, const std::string&,
                            const std::string&);
template double get_as(const ordered_json&, const std::string&,
                       const std::string&);
template int64_t get_as(const ordered_json&, const std::string&,
                        const std::string&);
template bool get_as(const ordered_json&, const std::string&,
                     const std::string&);
template std::vector<std::string> get_as(const ordered_json&,
                                         const std::string&,
                                         const std::string&);
template std::vector<double> get_as(const ordered_json&, const std::string&,
                                    const std::string&);

}  // namespace soup
