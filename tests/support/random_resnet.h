#pragma once

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "soup/checkpoint.h"

namespace soup::testing {

/// A very small ResNet of basic blocks, in torchvision's layout.
inline std::unique_ptr<MemoryCheckpoint> random_resnet(
    uint32_t seed = 1, DType dtype = DType::kF32) {
  std::vector<TensorInfo> infos;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    infos.push_back({.name = name, .dtype = dtype, .shape = std::move(shape)});
  };
  const auto add_conv = [&](const std::string& conv, const std::string& norm,
                            int64_t to, int64_t from, int64_t kernel) {
    add(conv + ".weight", {to, from, kernel, kernel});
    for (const char* part : {"weight", "bias", "running_mean", "running_var"}) {
      add(norm + "." + part, {to});
    }
    infos.push_back({.name = norm + ".num_batches_tracked",
                     .dtype = DType::kI64,
                     .shape = {}});
  };
  int64_t width = 4;
  add_conv("conv1", "bn1", width, 3, 7);
  for (int64_t stage = 1; stage <= 4; ++stage) {
    const std::string block = "layer" + std::to_string(stage) + ".0.";
    const int64_t next = stage == 1 ? width : 2 * width;
    add_conv(block + "conv1", block + "bn1", next, width, 3);
    add_conv(block + "conv2", block + "bn2", next, next, 3);
    if (next != width) {
      add_conv(block + "downsample.0", block + "downsample.1", next, width, 1);
    }
    width = next;
  }
  add("fc.weight", {5, width});
  add("fc.bias", {5});
  auto made = std::make_unique<MemoryCheckpoint>("memory", infos);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 0.3F);
  for (size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].dtype != DType::kF32) continue;
    const bool near_one =
        infos[i].name.ends_with("running_var") ||
        (infos[i].shape.size() == 1 && infos[i].name.ends_with("weight"));
    std::vector<float> values(static_cast<size_t>(infos[i].numel()));
    for (float& v : values) {
      v = near_one ? 1 + 0.3F * std::abs(normal(generator)) : normal(generator);
    }
    std::memcpy(made->mutable_bytes(i).data(), values.data(),
                values.size() * sizeof(float));
  }
  return made;
}

}  // namespace soup::testing
