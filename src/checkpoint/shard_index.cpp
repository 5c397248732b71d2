#include "checkpoint/shard_index.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

/// Takes two objects of texts out of the JSON event by event: a tree of it
/// would be many times as large.
class IndexSax : public nlohmann::json_sax<json> {
 public:
  IndexSax(ShardIndex& index, const std::string& where)
      : index_(index), where_(where) {}

  bool null() override { return scalar(); }
  bool boolean(bool) override { return scalar(); }
  bool number_integer(int64_t) override { return scalar(); }
  bool number_unsigned(uint64_t) override { return scalar(); }
  bool number_float(double, const std::string&) override { return scalar(); }
  bool binary(json::binary_t&) override { return scalar(); }
  bool string(std::string& value) override {
    if (depth_ == 2 && section_ == "weight_map") {
      index_.files.emplace_back(key_, std::move(value));
    } else if (depth_ == 2 && section_ == "metadata") {
      if (!index_.metadata.emplace(key_, std::move(value)).second) {
        fail("has " + quote(key_) + " twice");
      }
    }
    return true;
  }
  bool key(std::string& name) override {
    if (depth_ == 1) section_ = name;
    key_ = std::move(name);
    return true;
  }
  bool start_object(size_t) override {
    if (depth_ == 1 && section_ == "weight_map" && found_++ > 0) {
      fail("has 'weight_map' twice");
    }
    return open();
  }
  bool start_array(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(size_t position, const std::string&,
                   const json::exception&) override {
    fail("is no valid JSON (byte " + std::to_string(position) + ")");
  }

  bool found() const { return found_ > 0; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(where_ + ": " + what);
  }
  bool scalar() {
    if (depth_ == 2 && section_ == "weight_map") {
      fail(quote(key_) + " leads to no file name");
    }
    return true;
  }
  bool open() {
    if (++depth_ > kMaxDepth) fail("is nested too deep");
    if (depth_ > 2 && section_ == "weight_map") scalar_in_map();
    return true;
  }
  void scalar_in_map() { fail(quote(key_) + " leads to no file name"); }
  bool close() {
    --depth_;
    return true;
  }

  ShardIndex& index_;
  const std::string& where_;
  int depth_ = 0;
  int found_ = 0;
  std::string section_;  // the key at the top
  std::string key_;
};

// An index names files beside it and nothing else.
bool is_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos &&
         name.find('\0') == std::string::npos && !name.starts_with('.');
}

void check_twice(const ShardIndex& index, const std::string& where) {
  std::vector<std::string_view> names;
  names.reserve(index.files.size());
  for (const auto& [name, file] : index.files) names.push_back(name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw Error(where + ": has " + quote(*twice) + " twice");
  }
}

}  // namespace

ShardIndex parse_shard_index(std::string_view json, const std::string& where) {
  // nlohmann takes a NUL for the end of the text.
  if (json.find('\0') != std::string_view::npos) {
    throw Error(where + ": has a NUL byte");
  }
  ShardIndex index;
  IndexSax sax(index, where);
  json::sax_parse(json.begin(), json.end(), &sax);
  if (!sax.found()) throw Error(where + ": has no 'weight_map'");
  for (const auto& [name, file] : index.files) {
    if (!is_file_name(file)) {
      throw Error(where + ": " + quote(name) + " lies in " + quote(file) +
                  ", expected the name of a file beside the index");
    }
  }
  check_twice(index, where);
  return index;
}

}  // namespace soup
