#include "checkpoint/folder_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/formats.h"
#include "checkpoint/sharded.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

using Metadata = std::map<std::string, std::string>;

// What belongs to a model besides its weights.
constexpr std::array kCompanions = {"config.json",
                                    "generation_config.json",
                                    "tokenizer.json",
                                    "tokenizer_config.json",
                                    "tokenizer.model",
                                    "special_tokens_map.json",
                                    "added_tokens.json",
                                    "vocab.json",
                                    "vocab.txt",
                                    "merges.txt",
                                    "preprocessor_config.json",
                                    "processor_config.json",
                                    "chat_template.json",
                                    "chat_template.jinja",
                                    "open_clip_config.json"};

// "OUT/" and "OUT" are the same folder.
fs::path without_slash(const fs::path& out) {
  return out.has_filename() ? out : out.parent_path();
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// A folder that may be replaced: a model and files around it, nothing else.
bool is_replaceable(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!is_file(entry.path())) return false;
  }
  return is_file(folder / "model.safetensors") ||
         is_file(folder / "adapter_model.safetensors") ||
         find_index(folder).has_value();
}

std::string shard_name(const std::string& stem, size_t shard, size_t count) {
  if (count == 1) return stem + ".safetensors";
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "-%05zu-of-%05zu.safetensors",
                shard + 1, count);
  return stem + text.data();
}

/// A folder beside its final place, removed with its files unless it is kept.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const fs::path& out) {
    std::string name =
        (folder_of(out) / ("." + out.filename().string() + ".XXXXXX")).string();
    const InterruptBlock block;
    if (mkdtemp(name.data()) == nullptr) {
      throw Error(printable(out.string()) +
                  ": cannot write: " + std::strerror(errno));
    }
    path_ = name;
    fs::permissions(path_, fs::perms(0777) & ~umask_of_process());
    remove_on_interrupt(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    forget_on_interrupt(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }
  /// Takes the final name; what had it before is removed.
  void move_to(const fs::path& out);

 private:
  static fs::perms umask_of_process() {
    const mode_t mask = umask(0);
    umask(mask);
    return fs::perms(mask);
  }

  fs::path path_;
};

void TemporaryFolder::move_to(const fs::path& out) {
  const InterruptBlock block;
  // Exchanged at once, so that there is always one of the two; the destructor
  // removes the old one.
  if (renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, out.c_str(),
                RENAME_EXCHANGE) == 0) {
    return;
  }
  if (rename(path_.c_str(), out.c_str()) == 0) return;
  throw Error(printable(out.string()) +
              ": cannot write: " + std::strerror(errno));
}

class FolderWriter : public CheckpointWriter {
 public:
  FolderWriter(const fs::path& out, std::span<const TensorInfo> tensors,
               const Metadata& metadata, const WriteOptions& options);

  void write(size_t index, int64_t offset,
             std::span<const std::byte> data) override {
    const Place& place = places_.at(index);
    shards_[place.shard]->write(place.tensor, offset, data);
  }
  int64_t commit(const Metadata& metadata) override;

 private:
  struct Place {
    size_t shard = 0;
    size_t tensor = 0;
  };
  void create_shard(size_t shard, const std::vector<size_t>& members,
                    const Metadata& metadata);
  std::string index_text(const Metadata& metadata) const;

  fs::path out_;
  WriteOptions options_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::vector<size_t>> plan_;
  std::vector<Place> places_;
  TemporaryFolder folder_;
  std::vector<std::unique_ptr<CheckpointWriter>> shards_;
};

FolderWriter::FolderWriter(const fs::path& out,
                           std::span<const TensorInfo> tensors,
                           const Metadata& metadata,
                           const WriteOptions& options)
    : out_(without_slash(out)),
      options_(options),
      tensors_(tensors.begin(), tensors.end()),
      plan_(plan_shards(tensors, options.shard_size)),
      places_(tensors.size()),
      folder_(out_) {
  for (size_t shard = 0; shard < plan_.size(); ++shard) {
    create_shard(shard, plan_[shard], metadata);
  }
}

void FolderWriter::create_shard(size_t shard,
                                const std::vector<size_t>& members,
                                const Metadata& metadata) {
  std::vector<TensorInfo> part;
  for (size_t index : members) {
    places_[index] = {shard, part.size()};
    part.push_back(tensors_[index]);
    if (part.back().tied_to < 0) continue;
    const auto target = static_cast<size_t>(part.back().tied_to);
    part.back().tied_to = static_cast<int64_t>(places_[target].tensor);
  }
  // With an index, that carries the metadata.
  shards_.push_back(create_safetensors(
      folder_.path() / shard_name(options_.stem, shard, plan_.size()), part,
      plan_.size() == 1 ? metadata : Metadata{}, {}));
}

// As transformers writes it: sorted, indented by two, a newline at the end.
std::string FolderWriter::index_text(const Metadata& metadata) const {
  nlohmann::json index;
  int64_t total = 0;
  index["metadata"] = metadata;
  index["weight_map"] = nlohmann::json::object();
  for (size_t i = 0; i < tensors_.size(); ++i) {
    // The second name of a tied tensor is no key of any file.
    if (tensors_[i].tied_to >= 0) continue;
    total += tensors_[i].bytes();
    index["weight_map"][tensors_[i].name] =
        shard_name(options_.stem, places_[i].shard, plan_.size());
  }
  index["metadata"]["total_size"] = total;
  return index.dump(2) + "\n";
}

int64_t FolderWriter::commit(const Metadata& metadata) {
  int64_t written = 0;
  for (const auto& shard : shards_) {
    written += shard->commit(plan_.size() == 1 ? metadata : Metadata{});
  }
  if (plan_.size() > 1) {
    const std::string index = index_text(metadata);
    write_text(folder_.path() / (options_.stem + ".safetensors.index.json"),
               index, false);
    written += static_cast<int64_t>(index.size());
  }
  for (const auto& [name, text] : options_.files) {
    if (!text.empty()) write_text(folder_.path() / name, text, false);
  }
  for (const char* name : kCompanions) {
    const fs::path from = options_.companions / name;
    if (options_.companions.empty() || options_.files.contains(name) ||
        !is_file(from)) {
      continue;
    }
    constexpr size_t kLargest = 256 << 20;
    write_text(folder_.path() / name, read_text(from, kLargest), false);
  }
  check_folder_output(out_, options_.force);
  folder_.move_to(out_);
  return written;
}

}  // namespace

std::span<const char* const> companion_names() { return kCompanions; }

std::vector<std::vector<size_t>> plan_shards(
    std::span<const TensorInfo> tensors, int64_t shard_size) {
  std::vector<std::vector<size_t>> shards(1);
  std::vector<size_t> shard_of(tensors.size(), 0);
  int64_t filled = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].tied_to >= 0) {
      shard_of[i] = shard_of[static_cast<size_t>(tensors[i].tied_to)];
      shards[shard_of[i]].push_back(i);
      continue;
    }
    const int64_t size = tensors[i].bytes();
    if (filled > 0 && size > shard_size - filled) {
      shards.emplace_back();
      filled = 0;
    }
    filled += size;
    shard_of[i] = shards.size() - 1;
    shards.back().push_back(i);
  }
  return shards;
}

void check_folder_output(const fs::path& out, bool force) {
  const fs::path folder = without_slash(out);
  const std::string name = printable(folder.string());
  std::error_code error;
  if (!fs::exists(fs::symlink_status(folder, error))) {
    check_writable(folder, force);
    return;
  }
  if (!is_folder(folder) || fs::is_symlink(folder, error)) {
    throw Error(name + ": exists and is no folder");
  }
  if (fs::is_empty(folder)) return;
  if (!force) {
    throw Error(name + ": holds files already; --force replaces the folder");
  }
  if (!is_replaceable(folder)) {
    throw Error(name +
                ": holds more than a model, which --force would remove; "
                "give another folder");
  }
}

std::unique_ptr<CheckpointWriter> create_folder(
    const fs::path& out, std::span<const TensorInfo> tensors,
    const Metadata& metadata, const WriteOptions& options) {
  check_folder_output(out, options.force);
  return std::make_unique<FolderWriter>(out, tensors, metadata, options);
}

}  // namespace soup
