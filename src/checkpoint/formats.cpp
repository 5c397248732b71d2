#include "checkpoint/formats.h"

#include <array>
#include <utility>

#include "checkpoint/prefixes.h"
#include "checkpoint/refusals.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

bool is_index(std::span<const std::byte> file) {
  const std::string_view head(reinterpret_cast<const char*>(file.data()),
                              std::min<size_t>(file.size(), 4096));
  return head.starts_with('{') &&
         head.find("\"weight_map\"") != std::string_view::npos;
}

constexpr std::array kFormats = {
    Format{"safetensors", "tensors behind a JSON header", is_safetensors,
           open_safetensors},
    Format{"torch", "torch.save's zip archives", is_torch_zip, open_torch_zip},
    Format{"torch-legacy", "torch.save's files before torch 1.6",
           is_torch_legacy, open_torch_legacy},
    Format{"sharded", "a folder of shards with *.index.json", is_index,
           open_index},
};

[[noreturn]] void refuse(const fs::path& path, std::string_view message) {
  throw Error(printable(path.string()) + ": " + std::string(message));
}

CheckpointPtr open_file(const fs::path& path, const OpenOptions& options,
                        bool in_folder) {
  MappedFile file(path);
  for (const Format& format : kFormats) {
    if (!format.recognise(file.bytes())) continue;
    CheckpointPtr opened = format.open(std::move(file), options);
    if (!opened && !in_folder) refuse(path, "holds no tensors");
    return opened;
  }
  const Refusal* refusal = find_refusal(file.bytes(), path);
  if (refusal != nullptr && (refusal->in_folders || !in_folder)) {
    refuse(path, refusal->message);
  }
  return nullptr;
}

// nullptr for what is no checkpoint.
CheckpointPtr open_any(const fs::path& path, const OpenOptions& options,
                       bool in_folder) {
  CheckpointPtr opened;
  if (!is_folder(path)) {
    opened = open_file(path, options, in_folder);
  } else if (is_model_folder(path)) {
    opened = open_folder(path, options);
  }
  if (!opened || options.keep_prefixes) return opened;
  return without_prefixes(std::move(opened));
}

}  // namespace

std::span<const Format> formats() { return kFormats; }

CheckpointPtr open_if_checkpoint(const fs::path& path,
                                 const OpenOptions& options) {
  return open_any(path, options, true);
}

CheckpointPtr open_checkpoint(const fs::path& path,
                              const OpenOptions& options) {
  if (CheckpointPtr opened = open_any(path, options, false)) return opened;
  refuse(path, is_folder(path) ? "a folder of files, expected one checkpoint"
                               : "not a checkpoint of any known format");
}

}  // namespace soup
