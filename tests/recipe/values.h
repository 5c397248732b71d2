#pragma once

#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "recipe/kernels.h"
#include "recipe/kernels_variants.h"
#include "soup/recipe.h"

/// State dicts in memory and mixing them, for tests of the recipe layer.
namespace soup::testing {

/// Bytes of `values` in a float or complex type (real and imaginary parts).
inline std::vector<std::byte> encode(DType dtype,
                                     const std::vector<double>& values) {
  const FloatFormat format = float_format(dtype);
  std::vector<std::byte> bytes(values.size() * format_bytes(format));
  kBaseKernels.narrow[static_cast<size_t>(format)](values.data(), values.size(),
                                                   bytes.data());
  return bytes;
}

inline std::vector<double> decode(DType dtype,
                                  std::span<const std::byte> bytes) {
  const FloatFormat format = float_format(dtype);
  std::vector<double> values(bytes.size() / format_bytes(format));
  kBaseKernels.accumulate[static_cast<size_t>(format)](
      bytes.data(), values.size(), 1, true, values.data());
  return values;
}

template <typename T>
std::vector<std::byte> raw(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// One tensor and its bytes.
struct Entry {
  TensorInfo tensor;
  std::vector<std::byte> bytes;
};

/// A float tensor.
inline Entry floats(const std::string& name, DType dtype,
                    const std::vector<double>& values,
                    std::vector<int64_t> shape = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
  return {{.name = name, .dtype = dtype, .shape = std::move(shape)},
          encode(dtype, values)};
}

inline Entry bytes_of(const std::string& name, DType dtype,
                      std::vector<int64_t> shape,
                      std::vector<std::byte> bytes) {
  return {{.name = name, .dtype = dtype, .shape = std::move(shape)},
          std::move(bytes)};
}

inline Entry integers(const std::string& name,
                      const std::vector<int64_t>& values) {
  return bytes_of(name, DType::kI64, {static_cast<int64_t>(values.size())},
                  raw(values));
}

/// `name` tied to tensor `target`.
inline Entry tied(const std::string& name, const TensorInfo& like,
                  int64_t target) {
  return {{.name = name,
           .dtype = like.dtype,
           .shape = like.shape,
           .tied_to = target},
          {}};
}

inline std::unique_ptr<MemoryCheckpoint> checkpoint(
    const std::string& path, const std::vector<Entry>& entries) {
  std::vector<TensorInfo> tensors;
  for (const Entry& entry : entries) tensors.push_back(entry.tensor);
  auto made = std::make_unique<MemoryCheckpoint>(path, std::move(tensors));
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].tensor.tied_to >= 0 || entries[i].bytes.empty()) continue;
    std::memcpy(made->mutable_bytes(i).data(), entries[i].bytes.data(),
                entries[i].bytes.size());
  }
  return made;
}

using Models = std::vector<std::unique_ptr<MemoryCheckpoint>>;

inline std::vector<const Checkpoint*> pointers(const Models& models) {
  std::vector<const Checkpoint*> all;
  for (const auto& model : models) all.push_back(model.get());
  return all;
}

/// A recipe over `models`; weights of 1 unless given.
inline Recipe recipe_of(const Models& models,
                        const std::vector<double>& weights = {}) {
  Recipe recipe;
  for (size_t k = 0; k < models.size(); ++k) {
    recipe.ingredients.push_back({.path = models[k]->path(),
                                  .weight = weights.empty() ? 1.0 : weights[k],
                                  .hash = ""});
  }
  return recipe;
}

/// Values of every tensor, by name.
class MapSink : public Sink {
 public:
  explicit MapSink(const Plan& plan) {
    for (const PlannedTensor& tensor : plan.tensors) {
      values.emplace_back(
          static_cast<size_t>(tensor.rule == nullptr ? 0 : tensor.out.bytes()));
    }
  }
  void write(size_t index, int64_t offset,
             std::span<const std::byte> data) override {
    std::memcpy(values.at(index).data() + offset, data.data(), data.size());
  }

  std::vector<std::vector<std::byte>> values;
};

struct Mixed {
  Plan plan;
  std::vector<std::vector<std::byte>> values;
  MixResult result;
};

inline Mixed mix_all(const Recipe& recipe, const Models& models,
                     const MixOptions& options = {.hash = true}) {
  const std::vector<const Checkpoint*> ingredients = pointers(models);
  Plan plan = make_plan(recipe, ingredients);
  MapSink sink(plan);
  MixResult result = mix(plan, ingredients, sink, options);
  return {std::move(plan), std::move(sink.values), std::move(result)};
}

/// A tensor's worth of pseudo-random bits, the same on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {  // splitmix64
    state_ += 0x9e3779b97f4a7c15U;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  /// In [low, high].
  int64_t between(int64_t low, int64_t high) {
    return low +
           static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1));
  }
  /// About normal, as weights are.
  double weight() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) {
      sum += static_cast<double>(next() >> 11) * 0x1p-53;
    }
    return 0.02 * sum;
  }

 private:
  uint64_t state_;
};

inline std::vector<double> random_weights(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<double> values(n);
  for (double& value : values) value = random.weight();
  return values;
}

}  // namespace soup::testing
