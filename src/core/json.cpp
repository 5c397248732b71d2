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

constexpr size_t kMaxDepth = 64;

/// Builds the tree from nlohmann's events. Its own builder keeps the last of
/// two equal keys without a word, looks every key of an ordered object up in
/// all before it, and makes trees whose destruction recurses without bound.
template <typename Json>
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const std::string& where) : where_(where) {}

  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(int64_t value) override { return add(value); }
  bool number_unsigned(uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override {
    return add(value);
  }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(typename Json::binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& key) override {
    Open& object = open_.back();
    if (!object.keys.insert(key).second) {
      throw Error(where_ + ": JSON has the key '" + printable(key) + "' twice");
    }
    object.key = std::move(key);
    return true;
  }
  bool parse_error(size_t, const std::string&,
                   const nlohmann::json::exception& e) override {
    throw Error(where_ + ": " + printable(e.what()));
  }

 private:
  struct Open {
    Json value;
    std::string key = {};
    std::set<std::string> keys = {};
  };

  bool open(Json value) {
    if (open_.size() >= kMaxDepth) {
      throw Error(where_ + ": JSON is nested too deep");
    }
    open_.push_back({std::move(value)});
    return true;
  }

  bool close() {
    Json done = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(done));
  }

  bool add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Open& parent = open_.back(); parent.value.is_array()) {
      parent.value.push_back(std::move(value));
    } else {
      add_to_object(parent.value.template get_ref<typename Json::object_t&>(),
                    std::move(parent.key), std::move(value));
    }
    return true;
  }

  static void add_to_object(ordered_json::object_t& object, std::string key,
                            ordered_json value) {
    object.emplace_back(std::move(key), std::move(value));
  }
  static void add_to_object(nlohmann::json::object_t& object, std::string key,
                            nlohmann::json value) {
    object.emplace(std::move(key), std::move(value));
  }

  std::string where_;
  Json root_;
  std::vector<Open> open_;
};

template <typename Json>
Json parse(std::string_view text, const std::string& where) {
  Builder<Json> builder(where);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
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
