#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Held-out data: specs, and examples decoded once into memory. No libtorch.
namespace soup {

/// How a picture becomes a model's input. Unset fields are taken from the
/// model, then from the defaults of design/cli.md.
struct Preprocess {
  std::optional<int64_t> size;        ///< pixels, square
  std::optional<std::string> resize;  ///< shorter, exact, none
  std::optional<std::string> filter;  ///< bicubic, bilinear, box, lanczos
  std::optional<double> crop_pct;     ///< centre crop share, in (0, 1]
  std::vector<double> mean;           ///< per channel, of values in [0, 1]
  std::vector<double> std;
};

/// Fields of `over` win over those of `under`.
Preprocess overlay(const Preprocess& over, const Preprocess& under);

/// One data set, as a spec file describes it (design/cli.md).
struct DatasetSpec {
  std::string name;
  std::string summary;
  std::string loader;
  std::filesystem::path path;    ///< of pictures, resolved
  std::filesystem::path images;  ///< idx: file of pictures, resolved
  std::filesystem::path labels_file;
  std::string labels = "rank";                  ///< rank, integer
  std::optional<std::array<int64_t, 2>> range;  ///< examples [begin, end)
  std::filesystem::path origin;                 ///< the spec's own file
  Preprocess preprocess;
};

/// True when both name the very same examples.
bool same_examples(const DatasetSpec&, const DatasetSpec&);

/// Examples, decoded: uint8 pixels [count, channels, height, width].
struct Examples {
  int64_t count = 0;
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  std::vector<std::string> paths;        ///< empty where there are none
  std::vector<std::string> class_names;  ///< empty where unknown
};

/// What the model needs of the pictures.
struct PictureShape {
  int64_t channels = 3;
  int64_t height = 224;
  int64_t width = 224;
};

/// A row of the table of loaders.
struct DatasetLoader {
  std::string_view name;
  std::string_view summary;
  Examples (*load)(const DatasetSpec&, const PictureShape&, const Preprocess&);
};

std::span<const DatasetLoader> dataset_loaders();

/// Finds `name`: a spec of configs/datasets, a spec file, or a folder of class
/// folders. `data`: where named sets lie (empty: $SOUP_DATA, then
/// /usr/share/datasets).
/// Throws UsageError for an unknown name (with the nearest one), Error for a
/// spec that cannot be read or has unknown keys.
DatasetSpec find_dataset(const std::string& name,
                         const std::filesystem::path& data);

/// All named specs, for `soup list datasets`; `present` says whether the files
/// are there.
struct NamedDataset {
  DatasetSpec spec;
  bool present = false;
};
std::vector<NamedDataset> named_datasets(const std::filesystem::path& data);

/// Reads and decodes every example of `spec`, in parallel, into the shape that
/// the model wants.
/// Throws Error saying what was expected where when files are missing, and
/// naming the picture that cannot be decoded.
Examples load_examples(const DatasetSpec&, const PictureShape&,
                       const Preprocess&);

}  // namespace soup
