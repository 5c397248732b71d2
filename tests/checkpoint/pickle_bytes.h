#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/bytes.h"
#include "support/zip_bytes.h"

/// Pickles made by hand: each function gives the opcodes of one value.
namespace soup::testing::pickled {

inline std::string text(std::string_view value) {
  return "X" + little(value.size(), 4) + std::string(value);
}
inline std::string number(int64_t value) {
  return "\x8a\x08" + little(static_cast<uint64_t>(value), 8);
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}
inline std::string numbers(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (int64_t value : values) items.push_back(number(value));
  return tuple(items);
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string call(const std::string& callable,
                        const std::vector<std::string>& args) {
  return callable + tuple(args) + "R";
}
inline std::string dict(
    const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "}(";
  for (const auto& [key, value] : entries) out += text(key) + value;
  return out + "u";
}

struct View {
  std::string storage = "0";
  std::string type = "FloatStorage";
  int64_t numel = 4;
  int64_t offset = 0;
  std::vector<int64_t> shape = {4};
  std::vector<int64_t> strides = {1};
  std::string legacy_view = "";        ///< a sixth field of the storage
  std::vector<std::string> more = {};  ///< arguments after the hooks
  std::string location = "cpu";
};

inline std::string tensor(const View& view) {
  std::vector<std::string> id = {text("storage"), global("torch", view.type),
                                 text(view.storage), text(view.location),
                                 number(view.numel)};
  if (!view.legacy_view.empty()) id.push_back(view.legacy_view);
  std::vector<std::string> args = {tuple(id) + "Q",
                                   number(view.offset),
                                   numbers(view.shape),
                                   numbers(view.strides),
                                   "\x89",
                                   "}"};
  args.insert(args.end(), view.more.begin(), view.more.end());
  const bool typed = view.type == "UntypedStorage";
  return call(global("torch._utils",
                     typed ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2"),
              args);
}

/// A torch archive with this root and one storage, "0", of these bytes.
inline std::string archive(const std::string& root,
                           const std::string& storage = "0123456789abcdef") {
  return zip({{"r/data.pkl", "\x80\x02" + root + "."},
              {"r/data/0", storage},
              {"r/version", "3\n"}})
      .bytes;
}

}  // namespace soup::testing::pickled
