#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "soup/recipe.h"

/// Where mixed values go.
namespace soup {

/// What `plan` makes, tensor by tensor.
std::vector<TensorInfo> outputs_of(const Plan& plan);

/// Into a file.
class WriterSink : public Sink {
 public:
  explicit WriterSink(CheckpointWriter& writer) : writer_(writer) {}
  void write(size_t index, int64_t offset,
             std::span<const std::byte> data) override {
    writer_.write(index, offset, data);
  }

 private:
  CheckpointWriter& writer_;
};

/// Into a state dict in memory, of the plan's outputs.
class MemorySink : public Sink {
 public:
  explicit MemorySink(MemoryCheckpoint& out) : out_(out) {}
  void write(size_t index, int64_t offset,
             std::span<const std::byte> data) override {
    std::copy(data.begin(), data.end(),
              out_.mutable_bytes(index).begin() + offset);
  }

 private:
  MemoryCheckpoint& out_;
};

/// Starts writing the output of `plan`, see create_checkpoint.
std::unique_ptr<CheckpointWriter> create_output(
    const Plan& plan, const std::filesystem::path& out,
    const std::map<std::string, std::string>& metadata,
    const WriteOptions& options);

}  // namespace soup
