#include "recipe/adapter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string_view>

#include "core/log.h"
#include "core/text.h"
#include "recipe/kernels.h"
#include "recipe/piece.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "base_model.model.";
// Factors hold a few rows: what is larger than this is no adapter.
constexpr int64_t kMaxRank = 1 << 16;

// What comes before `suffix` in `name`, or nullopt.
std::optional<std::string> before(std::string_view name,
                                  std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  return std::string(name.substr(0, name.size() - suffix.size()));
}

// [n, columns] of a matrix [columns, n].
std::vector<double> transposed(const std::vector<double>& matrix, int64_t n) {
  std::vector<double> out(matrix.size());
  const int64_t rows = std::ssize(matrix) / n;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      out[static_cast<size_t>(j * rows + i)] =
          matrix[static_cast<size_t>(i * n + j)];
    }
  }
  return out;
}

[[noreturn]] void throw_shape(const Adapter& adapter, size_t tensor) {
  const TensorInfo& found = adapter.file().tensors()[tensor];
  throw Error(adapter.folder().string() + ": " + quoted(found) + " is " +
              shape_text(found.shape) + ", which does not fit its partner");
}

}  // namespace

Adapter::Adapter(const fs::path& folder) : folder_(folder), config_(folder) {
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"}) {
    if (!fs::is_regular_file(folder / name)) continue;
    file_ = open_checkpoint(folder / name);
    break;
  }
  if (!file_) {
    throw Error(folder.string() +
                ": holds adapter_config.json, but no adapter_model.safetensors "
                "or adapter_model.bin");
  }
  pair_up();
}

void Adapter::pair_up() {
  struct Halves {
    std::optional<size_t> a, b;
    bool embedding = false;
  };
  std::map<std::string, Halves> halves;
  for (size_t i = 0; i < file_->tensors().size(); ++i) {
    std::string name = file_->tensors()[i].name;
    if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
    if (auto module = before(name, ".lora_A.weight")) {
      halves[*module].a = i;
    } else if (auto with_b = before(name, ".lora_B.weight")) {
      halves[*with_b].b = i;
    } else if (auto embedding_a = before(name, ".lora_embedding_A")) {
      halves[*embedding_a].a = i;
      halves[*embedding_a].embedding = true;
    } else if (auto embedding_b = before(name, ".lora_embedding_B")) {
      halves[*embedding_b].b = i;
    } else if (name.find("lora_") != std::string::npos) {
      throw Error(file_->path().string() + ": " + quoted(file_->tensors()[i]) +
                  " is no factor of a plain LoRA adapter");
    } else {
      replaced_[name] = i;
    }
  }
  for (const auto& [module, half] : halves) {
    if (!half.a || !half.b) {
      throw Error(file_->path().string() + ": '" + printable(module) +
                  "' has lora_A or lora_B only");
    }
    FactorPair pair = {.module = module,
                       .a = *half.a,
                       .b = *half.b,
                       .scale = {},
                       .embedding = half.embedding};
    pair.scale = config_.scale(module, rank(pair));
    pairs_.push_back(std::move(pair));
  }
}

int64_t Adapter::rank(const FactorPair& pair) const {
  const TensorInfo& a = file_->tensors()[pair.a];
  const TensorInfo& b = file_->tensors()[pair.b];
  if (a.shape.size() < 2 || a.shape[0] < 1 || a.shape[0] > kMaxRank) {
    throw_shape(*this, pair.a);
  }
  if (b.shape.size() < 2 || b.numel() != b.shape[0] * a.shape[0] ||
      b.shape[1] != a.shape[0]) {
    throw_shape(*this, pair.b);
  }
  return a.shape[0];
}

std::vector<double> Adapter::values(size_t tensor) const {
  const TensorInfo& info = file_->tensors()[tensor];
  if (!is_float(info.dtype)) {
    throw Error(folder_.string() + ": " + quoted(info) + " is " +
                std::string(name(info.dtype)) + ", expected floats");
  }
  std::vector<double> out(static_cast<size_t>(info.numel()));
  const auto format = static_cast<size_t>(float_format(info.dtype));
  const TensorData data = file_->read(tensor);
  kernels().accumulate[format](data.bytes().data(), out.size(), 1, true,
                               out.data());
  return out;
}

// Embeddings and GPT-2's Conv1D store the transpose of a linear layer's weight.
bool Adapter::is_transposed(const FactorPair& pair) const {
  return pair.embedding || config_.is_set("fan_in_fan_out");
}

std::array<int64_t, 2> Adapter::shape(const FactorPair& pair) const {
  const int64_t r = rank(pair);
  const int64_t in = file_->tensors()[pair.a].numel() / r;
  const int64_t out = file_->tensors()[pair.b].numel() / r;
  if (is_transposed(pair)) return {in, out};
  return {out, in};
}

int64_t Adapter::change_memory(const FactorPair& pair) const {
  const int64_t values =
      file_->tensors()[pair.a].numel() + file_->tensors()[pair.b].numel();
  return values * static_cast<int64_t>(sizeof(double));
}

LowRank Adapter::change(const FactorPair& pair, double times) const {
  const auto [rows, columns] = shape(pair);
  LowRank change = {.rows = rows,
                    .rank = rank(pair),
                    .columns = columns,
                    .left = values(pair.b),    // [out, rank]
                    .right = values(pair.a)};  // [rank, in]
  if (is_transposed(pair)) {
    std::swap(change.left, change.right);
    change.left = transposed(change.left, rows);
    change.right = transposed(change.right, change.rank);
  }
  for (double& x : change.left) x *= times;
  return change;
}

AdapterMean open_adapters(std::span<const AdapterShare> shares) {
  AdapterMean mean;
  for (const AdapterShare& share : shares) {
    if (!std::isfinite(share.weight)) {
      throw UsageError(printable(share.path.string()) +
                       ": its weight is not a finite number");
    }
    mean.adapters.emplace_back(share.path);
    mean.weights.push_back(share.weight);
  }
  const bool equal =
      std::adjacent_find(mean.weights.begin(), mean.weights.end(),
                         std::not_equal_to<>()) == mean.weights.end();
  if (equal && !mean.weights.empty() && mean.weights.front() != 0) {
    std::fill(mean.weights.begin(), mean.weights.end(), 1.0);
  }
  for (double weight : mean.weights) mean.total += weight;
  if (mean.total == 0 || !std::isfinite(mean.total)) {
    throw UsageError("the weights of the adapters sum to " +
                     std::string(mean.total == 0 ? "zero" : "infinity") +
                     ", so there is no weighted mean");
  }
  constexpr const char* kBase = "base_model_name_or_path";
  const Adapter& first = mean.adapters.front();
  for (const Adapter& adapter : mean.adapters) {
    const std::string base = adapter.config().text(kBase);
    const std::string expected = first.config().text(kBase);
    if (base == expected) continue;
    log::warn(printable(adapter.folder().string()) + ": was trained on '" +
              printable(base) + "', " + printable(first.folder().string()) +
              " on '" + printable(expected) +
              "'; adapters of different models have no useful average");
  }
  return mean;
}

}  // namespace soup
