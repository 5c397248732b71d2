#include "checkpoint/torch_file.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "checkpoint/formats.h"
#include "checkpoint/safetensors_sax.h"
#include "core/log.h"
#include "core/text.h"
#include "core/zip.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr std::string_view kPickleEntry = "/data.pkl";

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool has_entry(const ZipArchive& archive, std::string_view suffix) {
  return std::any_of(
      archive.entries().begin(), archive.entries().end(),
      [&](const ZipEntry& entry) { return entry.name.ends_with(suffix); });
}

// torch compresses nothing.
std::span<const std::byte> bytes_of(const ZipArchive& archive,
                                    const ZipEntry& entry,
                                    const std::string& where) {
  if (entry.method != 0) {
    throw Error(where + ": entry " + quote(entry.name) +
                " is compressed; save it again with torch.save");
  }
  return archive.bytes(entry);
}

// Archives of torch that are programs.
void check_kind(const ZipArchive& archive, const std::string& where) {
  if (has_entry(archive, "/archive_format") ||
      has_entry(archive, "models/model.json")) {
    throw Error(where +
                ": a compiled model; it goes to --model, not to the "
                "list of checkpoints");
  }
  if (has_entry(archive, "/constants.pkl")) {
    throw Error(where +
                ": a TorchScript program, not a state dict; save its "
                "weights with torch.save(torch.jit.load(file).state_dict(), "
                "'weights.pt')");
  }
}

// `<folder>` of `<folder>/data.pkl`.
std::string_view find_folder(const ZipArchive& archive,
                             const std::string& where) {
  std::optional<std::string_view> folder;
  for (const ZipEntry& entry : archive.entries()) {
    if (!entry.name.ends_with(kPickleEntry)) continue;
    if (folder) throw Error(where + ": has more than one data.pkl");
    folder = entry.name.substr(0, entry.name.size() - kPickleEntry.size());
  }
  if (!folder) throw Error(where + ": a zip archive without data.pkl");
  return *folder;
}

class TorchFile : public Checkpoint {
 public:
  TorchFile(MappedFile file, std::string_view format, TorchContents contents)
      : file_(std::move(file)),
        format_(format),
        contents_(std::move(contents)) {
    if (!contents_.notice.empty()) log::info(contents_.notice);
  }

  const std::filesystem::path& path() const override { return file_.path(); }
  std::string_view format() const override { return format_; }
  std::span<const TensorInfo> tensors() const override {
    return contents_.tensors;
  }
  TensorData read(size_t index) const override {
    file_.check_unchanged();
    const TorchPlace& place = contents_.places.at(index);
    const std::span<const std::byte> bytes = file_.bytes().subspan(
        static_cast<size_t>(place.begin), static_cast<size_t>(place.span));
    if (place.strides.empty()) return TensorData(bytes, /*mapped=*/true);
    const TensorInfo& info = contents_.tensors[index];
    std::vector<std::byte> values(static_cast<size_t>(info.bytes()));
    gather(bytes, info.shape, place.strides,
           static_cast<size_t>(bits(info.dtype) / 8), values.data());
    return TensorData(std::move(values));
  }
  int64_t read_memory(size_t index) const override {
    return contents_.places.at(index).strides.empty()
               ? 0
               : contents_.tensors[index].bytes();
  }
  const std::map<std::string, std::string>& metadata() const override {
    return contents_.metadata;
  }
  std::vector<std::pair<std::string, std::string>> extras() const override {
    return contents_.extras;
  }

 private:
  MappedFile file_;
  std::string_view format_;
  TorchContents contents_;
};

// What torch_writer.cpp leaves in the archive, in the form of a safetensors
// header.
void add_metadata(const ZipArchive& archive, const std::string& folder,
                  const std::string& where, TorchContents& contents) {
  const ZipEntry* entry = archive.find(folder + "/" + kTorchMetadataEntry);
  if (entry == nullptr) return;
  RawHeader header =
      parse_header_json(text_of(bytes_of(archive, *entry, where)), where);
  contents.metadata.merge(header.metadata);
}

// Soups of torch files that were saved again by others: the recipe may still
// lie beside them.
void add_sidecar(const std::filesystem::path& path, TorchContents& contents) {
  if (contents.metadata.contains(kRecipeKey)) return;
  constexpr size_t kLargest = 64 << 20;
  const std::filesystem::path sidecar = sidecar_path(path);
  if (!is_file(sidecar)) return;
  contents.metadata[kRecipeKey] = read_text(sidecar, kLargest);
}

}  // namespace

std::filesystem::path sidecar_path(const std::filesystem::path& path) {
  return path.string() + ".recipe.json";
}

bool is_torch_zip(std::span<const std::byte> file) {
  if (!text_of(file).starts_with("PK\3\4")) return false;
  // In the first local header or in the directory, whichever is whole.
  constexpr size_t kHead = 64 << 10;
  constexpr size_t kTail = 1 << 20;
  const std::string_view head =
      text_of(file.first(std::min(file.size(), kHead)));
  const std::string_view tail =
      text_of(file.last(std::min(file.size(), kTail)));
  for (std::string_view name : {"/data.pkl", "/archive_format"}) {
    if (head.find(name) != std::string_view::npos ||
        tail.find(name) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

TorchContents parse_torch_zip(std::span<const std::byte> file,
                              const OpenOptions& options,
                              const std::string& where) {
  const ZipArchive archive(file, where);
  check_kind(archive, where);
  const std::string folder(find_folder(archive, where));
  const ZipEntry* order = archive.find(folder + "/byteorder");
  if (order != nullptr &&
      text_of(bytes_of(archive, *order, where)) != "little") {
    throw Error(where +
                ": has big-endian values; load and save it once with "
                "torch on a little-endian machine");
  }
  Budget budget(where, file.size());
  const auto bytes = bytes_of(
      archive, *archive.find(folder + std::string(kPickleEntry)), where);
  const std::string pickle_name = where + ": data.pkl";
  const Pickle pickle = parse_pickle(bytes, pickle_name, budget);
  if (pickle.persistent_ids().empty()) return {.has_storages = false};
  const auto find_storage = [&](const TorchStorage& storage,
                                const std::string& tensor) {
    const ZipEntry* entry =
        archive.find(folder + "/data/" + std::string(storage.key));
    if (entry == nullptr) {
      throw Error(tensor + " needs entry 'data/" + std::string(storage.key) +
                  "', which the archive does not have");
    }
    const std::span<const std::byte> found = bytes_of(archive, *entry, where);
    return TorchExtent{found.data() - file.data(),
                       static_cast<int64_t>(found.size())};
  };
  TorchContents contents =
      read_state_dict(pickle, options, where, static_cast<int64_t>(file.size()),
                      budget, find_storage);
  add_metadata(archive, folder, where, contents);
  return contents;
}

CheckpointPtr open_torch_zip(MappedFile file, const OpenOptions& options) {
  TorchContents contents =
      parse_torch_zip(file.bytes(), options, printable(file.path().string()));
  if (!contents.has_storages) return nullptr;
  add_sidecar(file.path(), contents);
  return std::make_unique<TorchFile>(std::move(file), "torch",
                                     std::move(contents));
}

CheckpointPtr open_torch_legacy(MappedFile file, const OpenOptions& options) {
  TorchContents contents = parse_torch_legacy(file.bytes(), options,
                                              printable(file.path().string()));
  if (!contents.has_storages) return nullptr;
  return std::make_unique<TorchFile>(std::move(file), "torch-legacy",
                                     std::move(contents));
}

}  // namespace soup
