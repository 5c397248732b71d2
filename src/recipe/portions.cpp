#include "recipe/portions.h"

#include <algorithm>

#include "core/threads.h"
#include "recipe/linear.h"
#include "recipe/piece.h"

namespace soup {
namespace {

constexpr size_t kCache = 512 << 10;  // of a processor's second cache
constexpr size_t kLargestPiece = size_t{1} << 16;

}  // namespace

int64_t item_count(const TensorInfo& tensor) {
  return tensor.bytes() / static_cast<int64_t>(item_bytes(tensor.dtype));
}

std::vector<Tile> tiles(const Plan& plan) {
  std::vector<Tile> all;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    if (plan.tensors[i].rule == nullptr) continue;
    const int64_t count = item_count(plan.tensors[i].out);
    for (int64_t begin = 0; begin < count; begin += kTile) {
      all.push_back({i, begin, std::min(begin + kTile, count)});
    }
  }
  return all;
}

bool is_alone(const PlannedTensor& tensor) {
  return tensor.rule->prepare != nullptr && !tensor.rule->one_thread &&
         item_count(tensor.out) > 2 * kTile;
}

size_t piece_items(const PlannedTensor& tensor) {
  size_t bytes = 0;  // of all sources, per item
  for (const Source& source : tensor.sources) bytes += item_bytes(source.dtype);
  size_t items = kLargestPiece;
  while (items > kChunk && items * bytes > kCache) items /= 2;
  return items;
}

int64_t sources_memory(const PlannedTensor& tensor,
                       std::span<const Checkpoint* const> ingredients) {
  int64_t bytes = 0;
  for (const Source& source : tensor.sources) {
    bytes += ingredients[source.ingredient]->read_memory(source.tensor);
  }
  return bytes;
}

void count_bytes(Plan& plan, std::span<const Checkpoint* const> ingredients) {
  const int64_t threads = default_threads();
  int64_t largest = 0;
  int64_t prepared = 0;  // for whole tensors
  int64_t read = 0;      // of inputs that are made when they are read
  for (const PlannedTensor& tensor : plan.tensors) {
    if (tensor.rule == nullptr) continue;
    plan.bytes_write += tensor.out.bytes();
    const int64_t count = item_count(tensor.out);
    const auto items =
        std::min<int64_t>(count, static_cast<int64_t>(piece_items(tensor)));
    constexpr int64_t kPerSource = 1024;  // hash state, bookkeeping
    largest = std::max<int64_t>(
        largest, items * static_cast<int64_t>(item_bytes(tensor.out.dtype)) +
                     static_cast<int64_t>(sizeof(Sums) +
                                          tensor.sources.size() * kPerSource));
    if (tensor.rule->memory != nullptr) {
      prepared = std::max(prepared, tensor.rule->memory(tensor) *
                                        (is_alone(tensor) ? 1 : threads));
    }
    read = std::max(read, sources_memory(tensor, ingredients));
    for (const Source& source : tensor.sources) {
      plan.bytes_read += count * static_cast<int64_t>(item_bytes(source.dtype));
    }
  }
  plan.peak_memory = (largest + read) * threads + prepared;
}

}  // namespace soup
