#include "checkpoint/sharded.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "checkpoint/formats.h"
#include "checkpoint/shard_index.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kSuffix = ".index.json";
constexpr std::array kUsual = {"model.safetensors.index.json",
                               "pytorch_model.bin.index.json"};

/// Several files under one name.
class ShardedCheckpoint : public Checkpoint {
 public:
  ShardedCheckpoint(fs::path folder, const fs::path& index,
                    const OpenOptions& options);

  const fs::path& path() const override { return folder_; }
  std::string_view format() const override { return "sharded"; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  TensorData read(size_t at) const override {
    const Place& place = places_.at(at);
    return shards_[place.shard]->read(place.tensor);
  }
  int64_t read_memory(size_t at) const override {
    const Place& place = places_.at(at);
    return shards_[place.shard]->read_memory(place.tensor);
  }
  const std::map<std::string, std::string>& metadata() const override {
    return metadata_;
  }

 private:
  struct Place {
    size_t shard = 0;
    size_t tensor = 0;
  };
  void open(const std::string& file, const fs::path& index,
            const OpenOptions& options);
  void add(size_t shard, const std::map<std::string_view, std::string_view>&,
           const std::string& file, const std::string& where);

  fs::path folder_;
  std::vector<CheckpointPtr> shards_;
  std::vector<TensorInfo> tensors_;
  std::vector<Place> places_;
  std::map<std::string, std::string> metadata_;
  size_t listed_ = 0;  // tensors that the index names
};

// Links lead out of a hub's cache, all to the folder that the index's own link
// leads to; anything else is not part of the model.
void check_inside(const fs::path& file, const fs::path& index) {
  std::error_code error;
  const fs::path real = fs::canonical(file, error);
  if (error) {
    throw Error(printable(index.string()) + ": names " +
                quote(file.filename().string()) + ", which is missing");
  }
  if (real.parent_path() != fs::canonical(file.parent_path()) &&
      real.parent_path() != fs::canonical(index).parent_path()) {
    throw Error(printable(file.string()) +
                ": a link to another folder; refused");
  }
}

ShardedCheckpoint::ShardedCheckpoint(fs::path folder, const fs::path& index,
                                     const OpenOptions& options)
    : folder_(std::move(folder)) {
  constexpr size_t kLargest = 64 << 20;
  const std::string where = printable(index.string());
  ShardIndex parsed = parse_shard_index(read_text(index, kLargest), where);
  metadata_ = std::move(parsed.metadata);
  std::map<std::string_view, std::string_view> expected;
  std::vector<std::string> files;
  for (const auto& [name, file] : parsed.files) {
    expected.emplace(name, file);
    files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  for (const std::string& file : files) {
    open(file, index, options);
    add(shards_.size() - 1, expected, file, where);
  }
  if (listed_ == expected.size()) return;
  for (const TensorInfo& tensor : tensors_) expected.erase(tensor.name);
  const auto& [name, file] = *expected.begin();
  throw Error(where + ": " + std::to_string(expected.size()) +
              " tensors are missing, first " + quote(name) + ", expected in " +
              quote(file));
}

void ShardedCheckpoint::open(const std::string& file, const fs::path& index,
                             const OpenOptions& options) {
  check_inside(folder_ / file, index);
  OpenOptions raw = options;
  raw.keep_prefixes = true;  // the index has the names as they are stored
  shards_.push_back(open_checkpoint(folder_ / file, raw));
}

void ShardedCheckpoint::add(
    size_t shard, const std::map<std::string_view, std::string_view>& expected,
    const std::string& file, const std::string& where) {
  const std::span<const TensorInfo> all = shards_[shard]->tensors();
  std::map<size_t, int64_t> kept;  // index there to index here
  for (size_t i = 0; i < all.size(); ++i) {
    const auto found = expected.find(all[i].name);
    const bool listed = found != expected.end() && found->second == file;
    const bool alias = found == expected.end() && all[i].tied_to >= 0 &&
                       kept.contains(static_cast<size_t>(all[i].tied_to));
    if (!listed && !alias) {
      log::info(where + ": " + quote(all[i].name) + " of " + quote(file) +
                " is not in the index, left out");
      continue;
    }
    listed_ += listed ? 1 : 0;
    TensorInfo info = all[i];
    if (info.tied_to >= 0) {
      const auto target = kept.find(static_cast<size_t>(info.tied_to));
      info.tied_to = target == kept.end() ? -1 : target->second;
    }
    kept.emplace(i, static_cast<int64_t>(tensors_.size()));
    tensors_.push_back(std::move(info));
    places_.push_back({shard, i});
  }
}

}  // namespace

std::optional<fs::path> find_index(const fs::path& folder) {
  for (const char* name : kUsual) {
    if (is_file(folder / name)) return folder / name;
  }
  std::vector<fs::path> found;
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with('.') && name.ends_with(kSuffix) &&
        is_file(entry.path())) {
      found.push_back(entry.path());
    }
  }
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) {
    throw Error(printable(folder.string()) + ": has more than one index, " +
                quote(found[0].filename().string()) + " and " +
                quote(found[1].filename().string()));
  }
  return found[0];
}

CheckpointPtr open_index(MappedFile file, const OpenOptions& options) {
  const fs::path folder =
      file.path().has_parent_path() ? file.path().parent_path() : ".";
  return open_shards(folder, file.path(), options);
}

CheckpointPtr open_shards(const fs::path& folder, const fs::path& index,
                          const OpenOptions& options) {
  return std::make_unique<ShardedCheckpoint>(folder, index, options);
}

}  // namespace soup
