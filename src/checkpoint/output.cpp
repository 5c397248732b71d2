#include <algorithm>
#include <array>
#include <utility>

#include "checkpoint/folder_writer.h"
#include "checkpoint/formats.h"
#include "core/file.h"
#include "core/text.h"
#include "core/threads.h"
#include "soup/checkpoint.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

using Metadata = std::map<std::string, std::string>;

struct OutputKind {
  std::string_view suffix;
  std::unique_ptr<CheckpointWriter> (*create)(const fs::path&,
                                              std::span<const TensorInfo>,
                                              const Metadata&,
                                              const WriteOptions&);
  bool sidecar = false;
};

constexpr std::array kOutputs = {
    OutputKind{".safetensors", create_safetensors, false},
    OutputKind{".pt", create_torch, true},
    OutputKind{".pth", create_torch, true},
    OutputKind{".bin", create_torch, true},
};

// "OUT/", or a folder that is there.
bool is_folder_output(const fs::path& out) {
  return !out.empty() && (!out.has_filename() || is_folder(out));
}

const OutputKind& output_kind(const fs::path& out) {
  const std::string name = out.filename().string();
  for (const OutputKind& kind : kOutputs) {
    if (name.size() > kind.suffix.size() && name.ends_with(kind.suffix)) {
      return kind;
    }
  }
  std::string known;
  for (const OutputKind& kind : kOutputs) {
    known += (known.empty() ? "" : ", ") + std::string(kind.suffix);
  }
  throw UsageError(printable(out.string()) +
                   ": the kind of output is unknown; its name must end in " +
                   known + ", or in / for a folder of shards");
}

}  // namespace

std::unique_ptr<CheckpointWriter> create_checkpoint(
    const fs::path& out, std::span<const TensorInfo> tensors,
    const Metadata& metadata, const WriteOptions& options) {
  if (is_folder_output(out)) {
    return create_folder(out, tensors, metadata, options);
  }
  if (options.stem != WriteOptions().stem) {
    throw UsageError(printable(out.string()) +
                     ": an adapter is a folder; give one with -o OUT/");
  }
  return output_kind(out).create(out, tensors, metadata, options);
}

void check_output(const fs::path& out, const WriteOptions& options) {
  if (is_folder_output(out)) {
    check_folder_output(out, options.force);
    return;
  }
  const OutputKind& kind = output_kind(out);
  check_writable(out, options.force);
  if (kind.sidecar) check_writable(sidecar_path(out), options.force);
}

int64_t save_checkpoint(const Checkpoint& checkpoint, const fs::path& out,
                        const Metadata& metadata, const WriteOptions& options) {
  const std::span<const TensorInfo> tensors = checkpoint.tensors();
  const auto writer = create_checkpoint(out, tensors, metadata, options);
  parallel_for(static_cast<int64_t>(tensors.size()), 0, [&](int64_t i) {
    const auto index = static_cast<size_t>(i);
    if (tensors[index].tied_to >= 0) return;
    const TensorData data = checkpoint.read(index);
    // Pieces that stay in the cache between checksum and copy.
    constexpr size_t kPiece = 1 << 20;
    for (size_t at = 0; at < data.bytes().size(); at += kPiece) {
      const size_t size = std::min(kPiece, data.bytes().size() - at);
      writer->write(index, static_cast<int64_t>(at),
                    data.bytes().subspan(at, size));
    }
  });
  return writer->commit(metadata);
}

}  // namespace soup
