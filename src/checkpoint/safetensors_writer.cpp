#include <utility>

#include "checkpoint/formats.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/writer.h"
#include "core/file.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

using Metadata = std::map<std::string, std::string>;

// Loaders of Hugging Face look for it.
Metadata with_format(Metadata metadata) {
  metadata.emplace("format", "pt");
  return metadata;
}

class SafetensorsWriter : public CheckpointWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& out,
                    std::span<const TensorInfo> tensors,
                    const Metadata& metadata, const WriteOptions& options)
      : path_(out),
        tensors_(tensors.begin(), tensors.end()),
        order_(safetensors_order(tensors_)),
        coverage_(out, tensors_),
        file_(out, options.force) {
    for (const TensorInfo& tensor : tensors_) {
      if (tensor.dtype == DType::kC128) {
        throw Error(path_.string() + ": " + quote(tensor.name) +
                    " is complex128, which safetensors does not have; write a "
                    ".pt file");
      }
    }
    const std::string header =
        format_safetensors_header(tensors_, order_, with_format(metadata));
    values_ = static_cast<int64_t>(header.size());
    size_ = values_;
    offsets_.resize(tensors_.size());
    for (size_t index : order_) {
      offsets_[index] = size_;
      size_ += tensors_[index].bytes();
    }
    file_.reserve(size_);
  }

  void write(size_t index, int64_t offset,
             std::span<const std::byte> data) override {
    if (!coverage_.add(index, offset, data.size())) return;
    file_.write_at(offsets_[index] + offset, data);
  }

  int64_t commit(const Metadata& metadata) override {
    coverage_.check_complete();
    const std::string header =
        format_safetensors_header(tensors_, order_, with_format(metadata));
    if (static_cast<int64_t>(header.size()) != values_) {
      throw Error(path_.string() +
                  ": its metadata changed size while it was written");
    }
    file_.write_at(0, std::as_bytes(std::span(header)));
    file_.commit();
    return size_;
  }

 private:
  std::filesystem::path path_;
  std::vector<TensorInfo> tensors_;
  std::vector<size_t> order_;
  std::vector<int64_t> offsets_;
  int64_t values_ = 0;  // where the values start
  int64_t size_ = 0;
  Coverage coverage_;
  AtomicFile file_;
};

}  // namespace

std::unique_ptr<CheckpointWriter> create_safetensors(
    const std::filesystem::path& out, std::span<const TensorInfo> tensors,
    const Metadata& metadata, const WriteOptions& options) {
  return std::make_unique<SafetensorsWriter>(out, tensors, metadata, options);
}

}  // namespace soup
