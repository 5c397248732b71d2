#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soup/checkpoint.h"

/// Held-out data: specs, and examples decoded once into memory. No libtorch.
namespace soup {

/// How a picture becomes a model's input. Unset fields are taken from the
/// model, then from the defaults of design/cli.md.
struct Preprocess {
  std::optional<int64_t> size;  ///< pixels, square: the model's input size
  std::optional<int64_t> border = {};  ///< pixels cut off every side first
  /// shorter: the shorter side to floor(size / crop_pct), as timm does, then a
  /// centre crop, as torchvision does. exact: both sides to the model's size,
  /// no crop. none: the picture must have the model's size.
  std::optional<std::string> resize;
  std::optional<std::string> filter;  ///< bicubic, bilinear, box, lanczos
  std::optional<double> crop_pct;     ///< centre crop share, in (0, 1]
  std::vector<double> mean;           ///< per channel, of values in [0, 1]
  std::vector<double> std;
};

/// Fields of `over` win over those of `under`. Mean and standard deviation go
/// together.
Preprocess overlay(const Preprocess& over, const Preprocess& under);

/// The defaults of design/cli.md for models of that many channels; all fields
/// but `size` are set.
Preprocess default_preprocess(int64_t channels);

/// What a data set is known to hold, against which `soup eval --check-data`
/// holds the files.
struct Expectation {
  std::optional<int64_t> examples = {};
  std::optional<int64_t> classes = {};  ///< class folders
  /// SHA-256 in hex of files below the spec's `path`, by their names there; of
  /// a gzipped file, of what it unpacks to.
  std::map<std::string, std::string> sha256 = {};
};

/// One data set, as a spec file describes it (design/cli.md).
struct DatasetSpec {
  std::string name;
  std::string summary;
  std::string loader;
  std::filesystem::path path;  ///< folder of the data, resolved
  /// All places where it may be, of several: `path` is the first that is there,
  /// or else the first.
  std::vector<std::filesystem::path> places = {};
  /// idx, npy: file of pictures, or an array in it (FILE.npz/NAME)
  std::filesystem::path images;
  std::filesystem::path labels_file;  ///< idx, npy, tensors: the same of labels
  /// tensors: the file of each input by its name; under the empty name a file
  /// of which all tensors but the labels are inputs.
  std::map<std::string, std::filesystem::path> inputs;
  /// cifar, list, webdataset: in order
  std::vector<std::filesystem::path> files;
  std::string labels = "rank";      ///< folders: rank, integer or map
  std::filesystem::path label_map;  ///< labels of pictures or class folders
  std::filesystem::path indices;    ///< array of the examples that count
  /// So many examples of each class, drawn; where `indices` is named too: in
  /// its place when that file is not there.
  std::optional<int64_t> per_class;
  std::optional<std::array<int64_t, 2>> range;  ///< examples [begin, end)
  std::filesystem::path classes;  ///< outputs of the head that are compared
  std::filesystem::path origin;  ///< the spec's own file; empty: a plain folder
  Preprocess preprocess;
  Expectation expect;
  /// A shift of the distribution that models are trained on: scores on several
  /// of these are reported with their mean.
  bool shift = false;
  /// Pictures that may fail to decode: they are left out (`--skip-bad`).
  int64_t skip_bad = 0;
};

/// True when both name the very same examples: the same files, however
/// written, and the same range of them.
bool same_examples(const DatasetSpec&, const DatasetSpec&);

class MappedFile;

/// One ready input of all examples, such as token ids.
struct ReadyInput {
  TensorInfo info;                ///< of shape [count, ...]
  std::vector<std::byte> values;  ///< little-endian, C order
};

/// Examples: pictures, decoded to uint8 pixels [count, channels, height,
/// width], or ready inputs.
struct Examples {
  int64_t count = 0;
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint8_t> pixels;  ///< empty where `kept` has them
  /// File of the cache with the pixels, and they; null: there is none.
  std::shared_ptr<const MappedFile> kept;
  std::span<const uint8_t> kept_pixels = {};
  /// By example: its picture among the pixels, where others were left out.
  /// Empty: the first example is the first picture, and so on.
  std::vector<int64_t> places = {};
  std::vector<ReadyInput> inputs = {};  ///< instead of pixels
  std::string content;                  ///< hash of the pixels or inputs
  std::vector<int32_t> labels;          ///< none is negative
  /// Further labels that are right too; empty where no example has any.
  std::vector<std::vector<int32_t>> also;
  /// By class: the outputs of the head whose largest is its logit. Empty:
  /// class i is output i.
  std::vector<std::vector<int32_t>> outputs;
  std::vector<std::string> paths;        ///< empty where there are none
  std::vector<std::string> class_names;  ///< empty where unknown
  bool resized = false;                  ///< some picture was

  /// The pixels, wherever they lie: of `count` pictures, or of more where
  /// `places` says which.
  std::span<const uint8_t> all_pixels() const;
  /// Those of one example.
  std::span<const uint8_t> picture(int64_t i) const;
};

/// Where decoded pictures are kept from one run to the next.
struct PictureCache {
  std::filesystem::path folder;  ///< made where it is missing; empty: nowhere
  /// Bytes of all its files; those unused for longest go first.
  int64_t limit = 50'000'000'000;
};

/// ${XDG_CACHE_HOME:-~/.cache}/soup/pictures; empty where neither is known.
std::filesystem::path default_cache_folder();

/// What the model needs of the pictures.
struct PictureShape {
  int64_t channels = 3;  ///< 1 (grey) or 3 (red, green, blue)
  int64_t height = 224;
  int64_t width = 224;
};

struct Listing;

/// A row of the table of loaders.
struct DatasetLoader {
  std::string_view name;
  std::string_view summary;
  /// Keys of a spec that this loader knows beside those common to all.
  std::span<const std::string_view> keys;
  /// True when the files are there.
  bool (*present)(const DatasetSpec&);
  /// Pictures in files of their own: lists them. Else nullptr.
  Listing (*list)(const DatasetSpec&);
  /// All others. `preprocess` has all fields but `size` set.
  Examples (*load)(const DatasetSpec&, const PictureShape&,
                   const Preprocess& preprocess);
  /// Ready inputs, which nothing prepares: reads them. Else nullptr.
  Examples (*read)(const DatasetSpec&) = nullptr;
};

std::span<const DatasetLoader> dataset_loaders();

/// True when the examples of `spec` are ready inputs, not pictures.
bool holds_ready_inputs(const DatasetSpec& spec);

/// Finds `name`: a spec of configs/datasets, a folder of class folders, a spec
/// file (NAME.json) or a list of pictures (.csv, .tsv, .jsonl), in this order.
/// `data`: where named sets lie (empty: $SOUP_DATA, then /usr/share/datasets).
/// Reads no data. Throws UsageError for an unknown name (with the nearest one)
/// and for a spec with unknown keys or values, Error for a file that cannot be
/// read.
DatasetSpec find_dataset(const std::string& name,
                         const std::filesystem::path& data);

/// All named specs, for `soup list datasets`; `present` says whether the files
/// are there.
struct NamedDataset {
  DatasetSpec spec;
  bool present = false;
};
std::vector<NamedDataset> named_datasets(const std::filesystem::path& data);

/// A file of a data set.
struct FileHash {
  std::filesystem::path path;
  std::string sha256;  ///< see Expectation; empty: it is not there
  std::optional<std::string> expected;
};

/// What is there of a data set.
struct DataCheck {
  int64_t examples = 0;
  std::optional<int64_t> classes = {};  ///< class folders, of which it comes
  std::vector<std::string> bad = {};    ///< pictures not to be decoded, and why
  /// Hash of the picture files and their labels in order, wherever they lie;
  /// empty for data of another kind.
  std::string content = {};
  /// The expected ones and, of data of another kind, all.
  std::vector<FileHash> files = {};
};

/// Reads the data of `spec` as a whole, in parallel: counts the examples,
/// decodes the pictures, hashes the files. Throws Error for what is missing or
/// damaged as load_examples() does, but for single pictures.
DataCheck check_dataset(const DatasetSpec& spec);

/// Reads and decodes every example of `spec`, in parallel, into the shape that
/// the model wants; reads ready inputs as they are. Unset fields of
/// `preprocess` are the defaults. Picture files that `cache` has, unchanged,
/// are not decoded again; several processes may use it at once. What cannot be
/// kept there is a notice. Throws Error saying what was expected where when
/// files are missing, and naming the file that cannot be read or decoded.
Examples load_examples(const DatasetSpec& spec, const PictureShape& shape,
                       const Preprocess& preprocess,
                       const PictureCache& cache = {});

}  // namespace soup
