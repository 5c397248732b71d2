#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "recipe/adapter_config.h"
#include "soup/checkpoint.h"
#include "soup/recipe.h"

/// LoRA adapters as PEFT saves them: `adapter_config.json` and
/// `adapter_model.safetensors` (or `.bin`) in one folder.
namespace soup {

/// The change of one weight matrix, as factors in float64:
/// delta[i, j] = sum_k left[i, k] * right[k, j].
struct LowRank {
  int64_t rows = 0;
  int64_t rank = 0;
  int64_t columns = 0;
  std::vector<double> left;   ///< [rows, rank], scaled
  std::vector<double> right;  ///< [rank, columns]
};

/// Where a pair of factors is stored in the adapter's file.
struct FactorPair {
  std::string module;  ///< of the base model: `model.layers.0.self_attn.q_proj`
  size_t a = 0;        ///< tensor of the file: lora_A, [rank, in, ...]
  size_t b = 0;        ///< lora_B: [out, rank, ...]
  LoraScale scale;
  bool embedding = false;
};

/// An opened adapter.
class Adapter {
 public:
  /// Throws Error for what is no LoRA adapter, or one whose change is not
  /// B * A alone (DoRA, other methods), naming it.
  explicit Adapter(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const AdapterConfig& config() const { return config_; }
  const Checkpoint& file() const { return *file_; }
  const std::vector<FactorPair>& pairs() const { return pairs_; }
  /// Whole tensors that replace the base model's (modules_to_save, biases):
  /// their name in the base model, and their index in the file.
  const std::map<std::string, size_t>& replaced() const { return replaced_; }

  /// `times` * B * A of a pair, as the base stores its weight matrix.
  LowRank change(const FactorPair& pair, double times) const;
  /// Bytes that change() takes.
  int64_t change_memory(const FactorPair& pair) const;
  /// Rows and columns of that change.
  std::array<int64_t, 2> shape(const FactorPair& pair) const;
  /// Rank of a pair.
  int64_t rank(const FactorPair& pair) const;
  /// Values of a tensor of the file in float64.
  std::vector<double> values(size_t tensor) const;

 private:
  void pair_up();
  bool is_transposed(const FactorPair& pair) const;

  std::filesystem::path folder_;
  AdapterConfig config_;
  CheckpointPtr file_;
  std::vector<FactorPair> pairs_;
  std::map<std::string, size_t> replaced_;
};

/// Adapters whose changes are averaged: sum_k w_k s_k B_k A_k / sum_k w_k. An
/// adapter without a module changes it by zero.
struct AdapterMean {
  std::vector<Adapter> adapters;
  std::vector<double> weights;  ///< all 1 where they are equal
  double total = 0;             ///< sum of the weights

  /// w_k s_k / sum w for a pair of adapter `k`.
  double share(size_t k, const FactorPair& pair) const {
    return weights[k] * pair.scale.alpha / (total * pair.scale.divisor);
  }
};

/// Throws what Adapter does, and UsageError for weights without a mean. Warns
/// of adapters of different base models.
AdapterMean open_adapters(std::span<const AdapterShare> shares);

}  // namespace soup
