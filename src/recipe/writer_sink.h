#pragma once

#include <memory>

#include "soup/recipe.h"

namespace soup {

/// Mixed values go into a file.
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

/// Starts writing the output of `plan`, see create_checkpoint.
std::unique_ptr<CheckpointWriter> create_output(
    const Plan& plan, const std::filesystem::path& out,
    const std::map<std::string, std::string>& metadata,
    const WriteOptions& options);

}  // namespace soup
