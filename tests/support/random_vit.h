#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "soup/checkpoint.h"

namespace soup::testing {

/// A small Vision Transformer with a class token, in timm's layout.
struct VitShape {
  int64_t channels = 1;
  int64_t size = 8;
  int64_t patch = 4;
  int64_t width = 64;
  int64_t depth = 2;
  int64_t hidden = 32;
  int64_t classes = 5;
};

inline std::vector<TensorInfo> vit_infos(const VitShape& s) {
  std::vector<TensorInfo> out;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    out.push_back({.name = name, .shape = std::move(shape)});
  };
  const auto add_linear = [&](const std::string& name, int64_t to,
                              int64_t from) {
    add(name + ".weight", {to, from});
    add(name + ".bias", {to});
  };
  const auto add_norm = [&](const std::string& name) {
    add(name + ".weight", {s.width});
    add(name + ".bias", {s.width});
  };
  const int64_t side = s.size / s.patch;
  add("cls_token", {1, 1, s.width});
  add("pos_embed", {1, side * side + 1, s.width});
  add("patch_embed.proj.weight", {s.width, s.channels, s.patch, s.patch});
  add("patch_embed.proj.bias", {s.width});
  for (int64_t i = 0; i < s.depth; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    add_norm(block + ".norm1");
    add_linear(block + ".attn.qkv", 3 * s.width, s.width);
    add_linear(block + ".attn.proj", s.width, s.width);
    add_norm(block + ".norm2");
    add_linear(block + ".mlp.fc1", s.hidden, s.width);
    add_linear(block + ".mlp.fc2", s.width, s.hidden);
  }
  add_norm("norm");
  add_linear("head", s.classes, s.width);
  return out;
}

/// Random weights: normal, around 1 for the norms.
inline std::unique_ptr<MemoryCheckpoint> random_vit(
    const VitShape& shape = {}, uint32_t seed = 1,
    const std::string& path = "memory") {
  auto made = std::make_unique<MemoryCheckpoint>(path, vit_infos(shape));
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 0.3F);
  for (size_t i = 0; i < made->tensors().size(); ++i) {
    const std::string& name = made->tensors()[i].name;
    const bool scale = name.find("norm") != std::string::npos &&
                       name.find("weight") != std::string::npos;
    std::vector<float> values(static_cast<size_t>(made->tensors()[i].numel()));
    for (float& value : values) value = normal(generator) + (scale ? 1 : 0);
    std::memcpy(made->mutable_bytes(i).data(), values.data(),
                values.size() * sizeof(float));
  }
  return made;
}

/// A copy without the tensor `name`, or with another shape for it.
inline std::unique_ptr<MemoryCheckpoint> with_tensor(
    const Checkpoint& checkpoint, const std::string& name,
    const std::vector<int64_t>& shape) {
  std::vector<TensorInfo> tensors;
  bool found = false;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    const bool this_one = tensor.name == name;
    found = found || this_one;
    if (this_one && shape.empty()) continue;
    tensors.push_back(tensor);
    if (this_one) tensors.back().shape = shape;
  }
  if (!found) tensors.push_back({.name = name, .shape = shape});
  return std::make_unique<MemoryCheckpoint>(checkpoint.path(), tensors);
}

}  // namespace soup::testing
