#include "checkpoint/formats.h"

#include <array>
#include <utility>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

constexpr std::array kFormats = {
    Format{"safetensors", "tensors behind a JSON header", is_safetensors,
           open_safetensors},
    Format{"torch", "torch.save's zip archives", is_torch_zip, open_torch_zip},
    Format{"torch-legacy", "torch.save's files before torch 1.6",
           is_torch_legacy, open_torch_legacy},
};

}  // namespace

std::span<const Format> formats() { return kFormats; }

CheckpointPtr open_if_checkpoint(const fs::path& path,
                                 const OpenOptions& options) {
  if (fs::is_directory(path)) {
    return is_model_folder(path) ? open_folder(path, options) : nullptr;
  }
  MappedFile file(path);
  for (const Format& format : kFormats) {
    if (format.recognise(file.bytes())) {
      return format.open(std::move(file), options);
    }
  }
  return nullptr;
}

CheckpointPtr open_checkpoint(const fs::path& path,
                              const OpenOptions& options) {
  if (CheckpointPtr opened = open_if_checkpoint(path, options)) return opened;
  throw Error(printable(path.string()) +
              (fs::is_directory(path)
                   ? ": a folder of files, expected one checkpoint"
                   : ": not a checkpoint of any known format"));
}

}  // namespace soup
