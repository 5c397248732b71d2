#include <array>
#include <optional>

#include "checkpoint/formats.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

// Weights in one file as Hugging Face and open_clip name them, best first.
constexpr std::array kWholeModels = {
    "model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin",
    "open_clip_pytorch_model.bin"};
constexpr std::array kConfigs = {"config.json", "open_clip_config.json"};

std::optional<fs::path> whole_model(const fs::path& folder) {
  for (const char* name : kWholeModels) {
    if (fs::is_regular_file(folder / name)) return folder / name;
  }
  return std::nullopt;
}

bool has_config(const fs::path& folder) {
  for (const char* name : kConfigs) {
    if (fs::is_regular_file(folder / name)) return true;
  }
  return false;
}

}  // namespace

// Without a config, model.safetensors may be one of a series.
bool is_model_folder(const fs::path& folder) {
  return has_config(folder) && whole_model(folder);
}

CheckpointPtr open_folder(const fs::path& folder, const OpenOptions& options) {
  if (const std::optional<fs::path> file = whole_model(folder)) {
    return open_checkpoint(*file, options);
  }
  throw Error(printable(folder.string()) + ": holds no model");
}

}  // namespace soup
