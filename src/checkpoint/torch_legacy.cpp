#include <map>
#include <optional>
#include <string_view>

#include "checkpoint/formats.h"
#include "checkpoint/sizes.h"
#include "checkpoint/torch_file.h"
#include "checkpoint/wrappers.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

// PROTO 2, LONG1 of 10 bytes: 0x1950a86a20f9469cfc6c, STOP.
constexpr std::string_view kMagic(
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);
constexpr int64_t kProtocol = 1001;

/// The pickles of a legacy file, one after the other.
class LegacyFile {
 public:
  LegacyFile(std::span<const std::byte> file, const std::string& where)
      : file_(file), where_(where), budget_(where, file.size()) {}

  TorchContents read(const OpenOptions& options);

 private:
  Pickle next(const std::string& what) {
    Pickle pickle =
        parse_pickle(file_.subspan(at_), where_ + ": " + what, budget_);
    at_ += pickle.size();
    return pickle;
  }
  void check_preamble();
  std::map<std::string_view, int64_t> item_sizes(const Pickle& object);
  void find_storages(const Pickle& keys, const Pickle& object);

  std::span<const std::byte> file_;
  const std::string& where_;
  Budget budget_;
  size_t at_ = 0;
  std::map<std::string_view, TorchExtent> storages_;
};

void LegacyFile::check_preamble() {
  next("the magic number");
  const Pickle protocol = next("the protocol");
  if (protocol.as_int(protocol.root()) != kProtocol) {
    throw Error(where_ + ": not version 1001 of the legacy format");
  }
  const Pickle system = next("the system's description");
  PickleWalk walk(system, where_, budget_);
  const auto little = walk.get(system.root(), "little_endian");
  if (little && system.as_bool(*little) == false) {
    throw Error(where_ +
                ": has big-endian values; load and save it once with "
                "torch on a little-endian machine");
  }
}

// Bytes per element of every storage, as it was first met.
std::map<std::string_view, int64_t> LegacyFile::item_sizes(
    const Pickle& object) {
  std::map<std::string_view, int64_t> sizes;
  for (PickleValue id : object.persistent_ids()) {
    const auto storage = read_storage(object, id, where_);
    if (!storage || sizes.contains(storage->key)) continue;
    budget_.charge(96);
    sizes.emplace(storage->key, storage->item_size);
  }
  return sizes;
}

// For each key: a count of elements, then that many elements.
void LegacyFile::find_storages(const Pickle& keys, const Pickle& object) {
  const std::map<std::string_view, int64_t> sizes = item_sizes(object);
  for (PickleValue item : keys.items(keys.root())) {
    const std::optional<std::string_view> key = keys.as_text(item);
    const auto size = key ? sizes.find(*key) : sizes.end();
    if (size == sizes.end()) {
      throw Error(where_ + ": lists a storage that nothing describes");
    }
    if (file_.size() - at_ < 8) throw Error(where_ + ": is incomplete");
    uint64_t count = 0;
    for (size_t i = 0; i < 8; ++i) {
      count |= std::to_integer<uint64_t>(file_[at_ + i]) << (8 * i);
    }
    at_ += 8;
    const std::optional<int64_t> bytes =
        checked_multiply(static_cast<int64_t>(count), size->second);
    if (!bytes || *bytes < 0 ||
        static_cast<uint64_t>(*bytes) > file_.size() - at_) {
      throw Error(where_ + ": storage " + quote(*key) + " has " +
                  std::to_string(count) + " elements, the file has " +
                  std::to_string(file_.size() - at_) +
                  " bytes left; it is incomplete");
    }
    budget_.charge(96);
    const TorchExtent extent{static_cast<int64_t>(at_), *bytes};
    if (!storages_.emplace(size->first, extent).second) {
      throw Error(where_ + ": lists storage " + quote(*key) + " twice");
    }
    at_ += static_cast<size_t>(*bytes);
  }
}

TorchContents LegacyFile::read(const OpenOptions& options) {
  check_preamble();
  const Pickle object = next("the pickle");
  if (object.persistent_ids().empty()) return {.has_storages = false};
  const Pickle keys = next("the list of storages");
  find_storages(keys, object);
  const auto find_storage = [&](const TorchStorage& storage,
                                const std::string& tensor) {
    const auto found = storages_.find(storage.key);
    if (found == storages_.end()) {
      throw Error(tensor + " needs storage " + quote(storage.key) +
                  ", which the file does not have");
    }
    return found->second;
  };
  return read_state_dict(object, options, where_,
                         static_cast<int64_t>(file_.size()), budget_,
                         find_storage);
}

}  // namespace

bool is_torch_legacy(std::span<const std::byte> file) {
  return std::string_view(reinterpret_cast<const char*>(file.data()),
                          file.size())
      .starts_with(kMagic);
}

TorchContents parse_torch_legacy(std::span<const std::byte> file,
                                 const OpenOptions& options,
                                 const std::string& where) {
  if (!is_torch_legacy(file)) {
    throw Error(where + ": not a legacy torch file");
  }
  return LegacyFile(file, where).read(options);
}

}  // namespace soup
