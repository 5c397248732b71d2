#pragma once

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "soup/checkpoint.h"

/// State dicts of float32 and LoRA adapters for tests.
namespace soup::testing {

struct Matrix {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
};

inline CheckpointPtr state_dict(const std::string& path,
                                const std::vector<Matrix>& matrices) {
  std::vector<TensorInfo> tensors;
  for (const Matrix& m : matrices) {
    tensors.push_back({.name = m.name, .dtype = DType::kF32, .shape = m.shape});
  }
  auto made = std::make_unique<MemoryCheckpoint>(path, tensors);
  for (size_t i = 0; i < matrices.size(); ++i) {
    std::memcpy(made->mutable_bytes(i).data(), matrices[i].values.data(),
                matrices[i].values.size() * sizeof(float));
  }
  return made;
}

inline void write_adapter(const std::filesystem::path& folder,
                          const std::string& config,
                          const std::vector<Matrix>& factors) {
  std::filesystem::create_directories(folder);
  write_text(folder / "adapter_config.json", config, true);
  save_checkpoint(*state_dict("adapter", factors),
                  folder / "adapter_model.safetensors", {}, {.force = true});
}

inline std::vector<float> values(const Checkpoint& checkpoint,
                                 const std::string& name) {
  const TensorData data = checkpoint.read(*checkpoint.find(name));
  std::vector<float> out(data.bytes().size() / sizeof(float));
  std::memcpy(out.data(), data.bytes().data(), data.bytes().size());
  return out;
}

}  // namespace soup::testing
