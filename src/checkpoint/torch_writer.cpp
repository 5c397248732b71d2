#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/formats.h"
#include "checkpoint/pickle_writer.h"
#include "checkpoint/writer.h"
#include "checkpoint/zip_layout.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "soup/error.h"

namespace soup {
namespace {

using Metadata = std::map<std::string, std::string>;

uint32_t crc_of(std::span<const std::byte> data) {
  return libdeflate_crc32(0, data.data(), data.size());
}

/// The CRC of an entry whose pieces are written in any order. Not thread-safe.
class PiecewiseCrc {
 public:
  void add(int64_t offset, size_t size, uint32_t crc) {
    if (size > 0) pieces_.push_back({offset, static_cast<int64_t>(size), crc});
  }
  /// Throws Error unless the pieces follow each other without gaps.
  uint32_t combine(const std::string& where) {
    std::sort(pieces_.begin(), pieces_.end(),
              [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
    uint32_t crc = 0;
    int64_t end = 0;
    for (const Piece& piece : pieces_) {
      if (piece.begin != end) throw Error(where + ": written twice or not all");
      crc = static_cast<uint32_t>(crc32_combine(crc, piece.crc, piece.size));
      end += piece.size;
    }
    return crc;
  }

 private:
  struct Piece {
    int64_t begin;
    int64_t size;
    uint32_t crc;
  };
  std::vector<Piece> pieces_;
};

std::string metadata_text(const Metadata& metadata) {
  return nlohmann::json{{"__metadata__", metadata}}.dump();
}

class TorchWriter : public CheckpointWriter {
 public:
  TorchWriter(const std::filesystem::path& out,
              std::span<const TensorInfo> tensors, const Metadata& metadata,
              const WriteOptions& options)
      : path_(out),
        force_(options.force),
        tensors_(tensors.begin(), tensors.end()),
        coverage_(out, tensors_),
        pickle_(write_state_dict(tensors_, out.string())),
        crcs_(tensors_.size()),
        file_(out, options.force) {
    check_writable(sidecar_path(path_), force_);
    add_text("data.pkl", pickle_);
    // Without .format_version on purpose: it would allow torch to compute
    // offsets for its own layout instead of reading them from the headers.
    add_text("byteorder", "little");
    add_text("version", "3\n");
    if (!metadata.empty()) {
      metadata_entry_ = add_text(kTorchMetadataEntry, metadata_text(metadata));
    }
    for (size_t i = 0, storage = 0; i < tensors_.size(); ++i) {
      entries_.push_back(layout_.entries());
      if (tensors_[i].tied_to >= 0) continue;
      layout_.add("archive/data/" + std::to_string(storage++),
                  tensors_[i].bytes());
    }
    layout_.finish();
    file_.reserve(layout_.size());
  }

  void write(size_t index, int64_t offset,
             std::span<const std::byte> data) override {
    if (!coverage_.add(index, offset, data.size())) return;
    file_.write_at(layout_.begin(entries_[index]) + offset, data);
    const uint32_t crc = crc_of(data);
    const std::lock_guard lock(mutex_);
    crcs_[index].add(offset, data.size(), crc);
  }

  int64_t commit(const Metadata& metadata) override;

 private:
  size_t add_text(const std::string& name, std::string text) {
    texts_.push_back(std::move(text));
    return layout_.add("archive/" + name,
                       static_cast<int64_t>(texts_.back().size()));
  }
  void put(int64_t offset, const std::string& text) {
    file_.write_at(offset, std::as_bytes(std::span(text)));
  }

  std::filesystem::path path_;
  bool force_;
  std::vector<TensorInfo> tensors_;
  Coverage coverage_;
  std::string pickle_;
  ZipLayout layout_;
  std::vector<std::string> texts_;  // of the first entries
  size_t metadata_entry_ = 0;       // 0: none
  std::vector<size_t> entries_;     // of tensors
  std::mutex mutex_;
  std::vector<PiecewiseCrc> crcs_;
  AtomicFile file_;
};

int64_t TorchWriter::commit(const Metadata& metadata) {
  coverage_.check_complete();
  if (metadata_entry_ > 0) {
    std::string text = metadata_text(metadata);
    if (text.size() != texts_[metadata_entry_].size()) {
      throw Error(path_.string() +
                  ": its metadata changed size while it was written");
    }
    texts_[metadata_entry_] = std::move(text);
  }
  for (size_t i = 0; i < texts_.size(); ++i) {
    put(layout_.begin(i), texts_[i]);
    layout_.set_crc(i, crc_of(std::as_bytes(std::span(texts_[i]))));
  }
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (tensors_[i].tied_to >= 0) continue;
    layout_.set_crc(entries_[i], crcs_[i].combine(path_.string()));
  }
  for (size_t i = 0; i < layout_.entries(); ++i) {
    put(layout_.header_begin(i), layout_.header(i));
  }
  put(layout_.directory_begin(), layout_.directory());

  const auto recipe = metadata.find(kRecipeKey);
  if (recipe == metadata.end()) {
    const InterruptBlock block;
    file_.commit();
    // What an earlier output of this name left.
    if (force_) std::filesystem::remove(sidecar_path(path_));
    return layout_.size();
  }
  AtomicFile sidecar(sidecar_path(path_), force_);
  sidecar.write_at(0, std::as_bytes(std::span(recipe->second)));
  // Both or none, as far as an interrupt goes.
  const InterruptBlock block;
  file_.commit();
  sidecar.commit();
  return layout_.size();
}

}  // namespace

std::unique_ptr<CheckpointWriter> create_torch(
    const std::filesystem::path& out, std::span<const TensorInfo> tensors,
    const Metadata& metadata, const WriteOptions& options) {
  return std::make_unique<TorchWriter>(out, tensors, metadata, options);
}

}  // namespace soup
