#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dtype.h"

/// Checkpoints: state dicts on disk or in memory, and how they are written.
///
/// Nothing here includes libtorch: values are typed bytes, so commands that
/// only read, mix and write are independent of it and the parsers can be
/// fuzzed. `model` turns views into tensors.
namespace soup {

/// One entry of a state dict, without its values.
struct TensorInfo {
  std::string name = {};
  DType dtype = DType::kF32;
  std::vector<int64_t> shape = {};  ///< empty for a scalar
  /// Index of an earlier tensor of the same checkpoint, itself not tied, that
  /// has the very same storage, offset and strides ("tied"), or -1.
  int64_t tied_to = -1;

  /// Number of elements. Readers guarantee that neither this nor bytes()
  /// overflows.
  int64_t numel() const;
  /// Size of the values in bytes, C order and without gaps.
  int64_t bytes() const;
};

/// The values of one tensor: little-endian, C order, contiguous, of any
/// alignment. Either a view of a mapped file (valid as long as its Checkpoint)
/// or an owned copy (strided tensors).
class TensorData {
 public:
  /// `mapped`: the view is of a mapped file, see mapped().
  explicit TensorData(std::span<const std::byte> view, bool mapped = false)
      : view_(view), mapped_(mapped) {}
  explicit TensorData(std::vector<std::byte> owned)
      : owned_(std::move(owned)), view_(owned_) {}
  TensorData(TensorData&&) = default;
  TensorData& operator=(TensorData&&) = default;
  TensorData(const TensorData&) = delete;
  TensorData& operator=(const TensorData&) = delete;

  std::span<const std::byte> bytes() const { return view_; }
  /// True when the pages of bytes() can be let go (MADV_DONTNEED): the file
  /// gives them back when they are read again.
  bool mapped() const { return mapped_; }

 private:
  std::vector<std::byte> owned_;
  std::span<const std::byte> view_;
  bool mapped_ = false;
};

/// A state dict: the header is in memory, values are read on demand.
/// Thread-safe: all methods may be called concurrently.
class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  /// Where it came from, as the user named it.
  virtual const std::filesystem::path& path() const = 0;
  /// Name of its row in formats().
  virtual std::string_view format() const = 0;
  /// In file order. Names are unique.
  virtual std::span<const TensorInfo> tensors() const = 0;
  /// Values of tensors()[index].
  /// Throws Error when the file changed since it was opened.
  virtual TensorData read(size_t index) const = 0;
  /// Bytes of memory that read(index) takes, estimated from above: 0 where it
  /// maps the file.
  virtual int64_t read_memory(size_t) const { return 0; }
  /// What the file says of itself: string to string, empty if nothing.
  virtual const std::map<std::string, std::string>& metadata() const = 0;
  /// Text of a file of the model besides its weights (`config.json`), where it
  /// is made together with them; empty: there is none, or it lies in a folder.
  virtual std::string companion(const std::string&) const { return {}; }
  /// What lies beside the weights in the file, for people to see: names and
  /// kinds ("argparse.Namespace"). None of it was made.
  virtual std::vector<std::pair<std::string, std::string>> extras() const {
    return {};
  }

  /// Index of the tensor called `name`, or nullopt.
  std::optional<size_t> find(std::string_view name) const;

 private:
  // Built on the first find(): opening must stay as cheap as the header.
  mutable std::once_flag indexed_;
  mutable std::map<std::string_view, size_t> index_;
};

using CheckpointPtr = std::unique_ptr<Checkpoint>;

/// A state dict whose values live in memory: the candidate of a search, and
/// the fake of the tests.
class MemoryCheckpoint : public Checkpoint {
 public:
  /// Allocates zeroed values for `tensors`; each starts at a multiple of 64
  /// bytes of one arena. A tied tensor (`tied_to`) shares its values.
  MemoryCheckpoint(std::filesystem::path path, std::vector<TensorInfo> tensors,
                   std::map<std::string, std::string> metadata = {});

  const std::filesystem::path& path() const override { return path_; }
  std::string_view format() const override { return "memory"; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  TensorData read(size_t index) const override;
  const std::map<std::string, std::string>& metadata() const override {
    return metadata_;
  }

  /// The values of tensors()[index], to be filled in.
  std::span<std::byte> mutable_bytes(size_t index);

 private:
  std::filesystem::path path_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::byte> arena_;
  std::vector<size_t> offsets_;
};

/// Which of several state dicts in a file is taken.
struct OpenOptions {
  /// Take what lies under this key; empty: the documented order.
  std::string key = {};
  bool ema = false;            ///< prefer the averaged copy (`model_ema`, ...)
  bool keep_prefixes = false;  ///< leave `module.` and the like in names
};

class MappedFile;

/// A row of the table of formats.
struct Format {
  std::string_view name;
  std::string_view summary;
  /// True when a file with these bytes is of this format, be it broken;
  /// decides by content, never by the extension.
  bool (*recognise)(std::span<const std::byte> file);
  CheckpointPtr (*open)(MappedFile file, const OpenOptions&);
};

std::span<const Format> formats();

/// Opens a file, or a folder that is one model. Reads headers only. What DDP,
/// torch.compile and the like put into names (`module.`, `_orig_mod.`) is
/// removed unless options say otherwise.
/// Throws Error naming the file when it is missing, broken, or nothing that
/// can be averaged; nothing in the file is ever executed.
CheckpointPtr open_checkpoint(const std::filesystem::path&,
                              const OpenOptions& = {});

/// Which paths of a command line stand for which checkpoints.
struct CollectOptions {
  OpenOptions open = {};
  std::vector<std::string> ignore = {};  ///< globs of file names passed over
  bool keep_duplicates = false;
  /// LoRA adapters too, for a caller that averages what they change.
  bool adapters = false;
  /// For looking, not for averaging: soups, duplicates, adapters and quantised
  /// weights too.
  bool any = false;
};

/// Opens what `CKPT...` stands for (design/cli.md): files, folders in natural
/// order. An empty list is the current folder. Soups found in a folder and
/// second copies of the same weights are passed over with a notice.
/// Throws Error when nothing is left, when something that looks like a
/// checkpoint cannot be read, and for weights whose average means nothing
/// (factors of adapters, quantised ones).
std::vector<CheckpointPtr> collect_checkpoints(
    std::span<const std::filesystem::path> paths, const CollectOptions& = {});

/// The folder of the LoRA adapter that `path` is, or whose weights it is;
/// nullopt for anything else.
std::optional<std::filesystem::path> adapter_folder(
    const std::filesystem::path& path);

/// Throws Error for weights whose average means nothing: factors of adapters,
/// quantised weights. For who opens files without collect_checkpoints.
void check_averageable(const Checkpoint&);

/// Output in the making: tensors whose place is known before their values.
/// Nothing is visible under the final name until commit(); a writer that is
/// destroyed without it removes its temporary file.
class CheckpointWriter {
 public:
  virtual ~CheckpointWriter() = default;
  /// Puts `data` at byte `offset` of the values of tensor `index`. Values of
  /// tied tensors need not be written and are ignored.
  /// Thread-safe for ranges that do not overlap.
  virtual void write(size_t index, int64_t offset,
                     std::span<const std::byte> data) = 0;
  /// Completes, syncs and renames. `metadata` must have the keys given at
  /// creation and values of the same encoded length; they are known last
  /// because they contain content hashes. Returns bytes written.
  /// Throws Error (disk full, no permission) with everything removed.
  virtual int64_t commit(
      const std::map<std::string, std::string>& metadata) = 0;
};

struct WriteOptions {
  bool force = false;  ///< replace an existing output
  /// What the files of weights in a folder are called: model.safetensors. Any
  /// other than this (adapter_model) needs a folder.
  std::string stem = "model";
  /// Largest shard of a folder, in bytes of values.
  int64_t shard_size = 5'000'000'000;
  /// Model folder whose config and tokenizer files a folder gets a copy of;
  /// empty: none.
  std::filesystem::path companions = {};
  /// Further files of a folder by name, instead of those of `companions`; an
  /// empty text: no such file.
  std::map<std::string, std::string> files = {};
};

/// Names of what belongs to a model besides its weights: configuration,
/// tokenizer and the like.
std::span<const char* const> companion_names();

/// Starts writing `tensors` to `out`; the format follows from its name
/// (`.safetensors`; `.pt`, `.pth`, `.bin`; a `/` at the end or an existing
/// folder: a model folder with shards). Checks free space first.
/// `metadata`: what will be committed, with values of final length.
/// Throws UsageError for a name without a known format, Error when `out`
/// exists and `force` is off, or cannot be written.
std::unique_ptr<CheckpointWriter> create_checkpoint(
    const std::filesystem::path& out, std::span<const TensorInfo> tensors,
    const std::map<std::string, std::string>& metadata,
    const WriteOptions& = {});

/// Throws what create_checkpoint would throw about `out`, without creating it:
/// for commands that work long before they write.
void check_output(const std::filesystem::path& out, const WriteOptions& = {});

/// Writes a whole state dict. Returns bytes written.
int64_t save_checkpoint(const Checkpoint&, const std::filesystem::path& out,
                        const std::map<std::string, std::string>& metadata = {},
                        const WriteOptions& = {});

}  // namespace soup
