#include <algorithm>
#include <array>
#include <optional>

#include "checkpoint/formats.h"
#include "checkpoint/refusals.h"
#include "checkpoint/sharded.h"
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
constexpr std::array kAdapters = {"adapter_model.safetensors",
                                  "adapter_model.bin"};

template <size_t N>
std::optional<fs::path> first_file(const fs::path& folder,
                                   const std::array<const char*, N>& names) {
  for (const char* name : names) {
    if (is_file(folder / name)) return folder / name;
  }
  return std::nullopt;
}

bool is_adapter(const fs::path& folder) {
  return is_file(folder / "adapter_config.json");
}

// Files that are named like weights.
size_t count_weights(const fs::path& folder) {
  size_t count = 0;
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) continue;
    for (const char* suffix :
         {".safetensors", ".pt", ".pth", ".ckpt", ".bin"}) {
      count += name.ends_with(suffix) ? 1 : 0;
    }
  }
  return count;
}

}  // namespace

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::optional<fs::path> adapter_folder(const fs::path& path) {
  if (is_folder(path)) {
    return is_adapter(path) ? std::optional(path) : std::nullopt;
  }
  const bool named = std::find(kAdapters.begin(), kAdapters.end(),
                               path.filename().string()) != kAdapters.end();
  const fs::path folder = folder_of(path);
  return named && is_adapter(folder) ? std::optional(folder) : std::nullopt;
}

// Without a config, model.safetensors may be one of a series.
bool is_model_folder(const fs::path& folder) {
  return is_refused_folder(folder) || is_adapter(folder) ||
         find_index(folder) ||
         (first_file(folder, kWholeModels) &&
          (first_file(folder, kConfigs) || count_weights(folder) == 1));
}

CheckpointPtr open_folder(const fs::path& folder, const OpenOptions& options) {
  check_folder(folder);
  if (is_adapter(folder)) {
    if (const auto file = first_file(folder, kAdapters)) {
      return open_checkpoint(*file, options);
    }
    throw Error(printable(folder.string()) +
                ": holds adapter_config.json, but no adapter_model");
  }
  // Files of both kinds are one model saved twice: safetensors first.
  const auto whole = first_file(folder, kWholeModels);
  const auto index = find_index(folder);
  const bool whole_first =
      whole && (!index || (whole->extension() == ".safetensors" &&
                           index->string().find(".bin.") != std::string::npos));
  if (whole_first) return open_checkpoint(*whole, options);
  if (index) return open_shards(folder, *index, options);
  throw Error(printable(folder.string()) + ": holds no model");
}

}  // namespace soup
