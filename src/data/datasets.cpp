#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/file.h"
#include "core/json.h"
#include "core/table.h"
#include "core/text.h"
#include "data/cifar.h"
#include "data/examples.h"
#include "data/folders.h"
#include "data/idx.h"
#include "data/label_map.h"
#include "data/list.h"
#include "data/npy.h"
#include "data/shards.h"
#include "data/spec.h"
#include "data/tensors.h"
#include "soup/data.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSpec = 1 << 20;
constexpr std::array<std::string_view, 3> kFolderKeys = {"labels", "indices",
                                                         "per_class"};
constexpr std::array<std::string_view, 2> kPairKeys = {"images", "labels"};
constexpr std::array<std::string_view, 2> kTensorKeys = {"inputs", "labels"};
constexpr std::array<std::string_view, 1> kFilesKeys = {"files"};
constexpr std::array<std::string_view, 3> kListKeys = {"files", "indices",
                                                       "per_class"};

constexpr std::array kLoaders = {
    DatasetLoader{"folders", "one folder of JPEG, PNG or WebP pictures a class",
                  kFolderKeys, folders_present, list_folders, nullptr},
    DatasetLoader{"idx", "IDX files of pictures and labels, gzipped or not",
                  kPairKeys, files_present, nullptr, load_idx},
    DatasetLoader{"npy",
                  "NumPy arrays (.npy, .npz) of pictures (uint8) and labels",
                  kPairKeys, files_present, nullptr, load_npy},
    DatasetLoader{"cifar10", "CIFAR-10's binary version", kFilesKeys,
                  files_present, nullptr, load_cifar10},
    DatasetLoader{"cifar100", "CIFAR-100's binary version, fine labels",
                  kFilesKeys, files_present, nullptr, load_cifar100},
    DatasetLoader{"list", "lists (.csv, .tsv, .jsonl) of 'path' and 'label'",
                  kListKeys, files_present, read_lists, nullptr},
    DatasetLoader{"webdataset", "tar shards of pictures and labels (.cls)",
                  kListKeys, files_present, list_shards, nullptr},
    DatasetLoader{"tensors",
                  "ready inputs (token ids, masks, features) and labels in "
                  "safetensors, .npy or .npz, for --model FILE.pt2",
                  kTensorKeys, files_present, nullptr, nullptr, read_tensors},
};

const DatasetLoader& loader_of(const DatasetSpec& spec) {
  return find_row(dataset_loaders(), spec.loader, "loader");
}

fs::path data_root(const fs::path& given) {
  if (!given.empty()) return given;
  const char* set = std::getenv("SOUP_DATA");
  return set != nullptr && *set != '\0' ? set : "/usr/share/datasets";
}

std::vector<fs::path> spec_files() {
  std::vector<fs::path> files;
  std::error_code absent;
  const fs::path folder = configs_folder() / "datasets";
  for (const auto& entry : fs::directory_iterator(folder, absent)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

[[noreturn]] void throw_unknown(const std::string& name,
                                const std::vector<fs::path>& files) {
  std::vector<std::string> stems;
  for (const fs::path& file : files) stems.push_back(file.stem().string());
  const std::vector<std::string_view> names(stems.begin(), stems.end());
  throw UsageError("unknown data set '" + printable(name) + "'" +
                   suggestion(name, names));
}

Examples load_pictures(const DatasetLoader& loader, const DatasetSpec& spec,
                       const PictureShape& shape, const Preprocess& preprocess,
                       const PictureCache& cache) {
  if (shape.channels != 1 && shape.channels != 3) {
    throw Error(spec.name +
                ": pictures have 1 or 3 channels, but the model "
                "takes " +
                std::to_string(shape.channels));
  }
  const Preprocess all =
      overlay(preprocess, default_preprocess(shape.channels));
  Examples examples =
      loader.list != nullptr
          ? load_listing(spec, shape, all, cache, loader.list(spec))
          : loader.load(spec, shape, all);
  if (examples.content.empty()) examples.content = content_of(examples);
  return examples;
}

}  // namespace

std::span<const DatasetLoader> dataset_loaders() { return kLoaders; }

bool holds_ready_inputs(const DatasetSpec& spec) {
  return loader_of(spec).read != nullptr;
}

DatasetSpec find_dataset(const std::string& name, const fs::path& data) {
  const std::vector<fs::path> files = spec_files();
  for (const fs::path& file : files) {
    if (file.stem() == name) {
      return parse_spec(read_json(file, kMaxSpec), file, data_root(data));
    }
  }
  const fs::path path(name);
  std::error_code error;
  if (fs::is_directory(path, error)) return folder_spec(path);
  if (path.extension() == ".json") {
    return parse_spec(read_json(path, kMaxSpec), path, folder_of(path));
  }
  if (is_list(path)) return list_spec(path);
  if (name.find('/') != std::string::npos) {
    throw Error(
        name +
        ": no such folder; expected a data set's name, a spec "
        "(.json), a folder of class folders or a list of pictures (.csv, "
        ".tsv, .jsonl)");
  }
  throw_unknown(name, files);
}

std::vector<NamedDataset> named_datasets(const fs::path& data) {
  std::vector<NamedDataset> named;
  for (const fs::path& file : spec_files()) {
    NamedDataset entry;
    entry.spec = parse_spec(read_json(file, kMaxSpec), file, data_root(data));
    entry.present = loader_of(entry.spec).present(entry.spec);
    named.push_back(std::move(entry));
  }
  return named;
}

Examples load_examples(const DatasetSpec& spec, const PictureShape& shape,
                       const Preprocess& preprocess,
                       const PictureCache& cache) {
  const DatasetLoader& loader = loader_of(spec);
  Examples examples =
      loader.read != nullptr
          ? loader.read(spec)
          : load_pictures(loader, spec, shape, preprocess, cache);
  if (!spec.classes.empty()) examples.outputs = read_classes(spec.classes);
  return examples;
}

}  // namespace soup
