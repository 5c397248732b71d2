#include "recipe/content_hash.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/text.h"
#include "recipe/piece.h"

namespace soup {
namespace {

int64_t source_bytes(const PlannedTensor& tensor, const Source& source) {
  return item_count(tensor.out) *
         static_cast<int64_t>(item_bytes(source.dtype));
}

}  // namespace

ContentHashes::ContentHashes(const Plan& plan,
                             std::span<const Checkpoint* const> ingredients)
    : plan_(plan), ingredients_(ingredients) {
  for (const PlannedTensor& tensor : plan.tensors) {
    std::vector<std::vector<Hash128>>& sources = blocks_.emplace_back();
    for (const Source& source : tensor.sources) {
      const int64_t bytes = source_bytes(tensor, source);
      sources.emplace_back(static_cast<size_t>((bytes + kBlock - 1) / kBlock));
    }
  }
}

std::vector<std::string> ContentHashes::finish() const {
  struct Part {
    const TensorInfo* tensor;
    const std::vector<Hash128>* blocks;
  };
  std::vector<std::vector<Part>> parts(ingredients_.size());
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    const std::vector<Source>& sources = plan_.tensors[i].sources;
    for (size_t k = 0; k < sources.size(); ++k) {
      const Source& source = sources[k];
      parts[source.ingredient].push_back(
          {&ingredients_[source.ingredient]->tensors()[source.tensor],
           &blocks_[i][k]});
    }
  }
  std::vector<std::string> hashes;
  for (std::vector<Part>& tensors : parts) {
    std::sort(tensors.begin(), tensors.end(), [](const Part& a, const Part& b) {
      return a.tensor->name < b.tensor->name;
    });
    std::string text;
    for (const auto& [tensor, blocks] : tensors) {
      text += tensor->name + '\0' + std::string(name(tensor->dtype)) + '\0' +
              shape_text(tensor->shape) + '\0';
      for (const Hash128& block : *blocks) text += hex(block);
      text += '\n';
    }
    hashes.push_back(hex(xxh3_128(std::as_bytes(std::span(text)))));
  }
  return hashes;
}

BlockHasher::BlockHasher(ContentHashes& hashes, const PlannedTensor& tensor,
                         const Tile& tile)
    : hashes_(hashes), tile_(tile), states_(tensor.sources.size()) {
  for (size_t k = 0; k < states_.size(); ++k) {
    const auto item = static_cast<int64_t>(item_bytes(tensor.sources[k].dtype));
    states_[k].position = tile.begin * item;
    states_[k].end = tile.end * item;
    states_[k].xxh.reset(XXH3_createState());
    if (!states_[k].xxh) throw std::bad_alloc();
    XXH3_128bits_reset(states_[k].xxh.get());
  }
}

void BlockHasher::add(size_t k, std::span<const std::byte> bytes) {
  State& state = states_[k];
  while (!bytes.empty()) {
    const int64_t left = kBlock - state.position % kBlock;
    const size_t n = std::min(bytes.size(), static_cast<size_t>(left));
    XXH3_128bits_update(state.xxh.get(), bytes.data(), n);
    bytes = bytes.subspan(n);
    state.position += static_cast<int64_t>(n);
    if (state.position % kBlock != 0 && state.position != state.end) continue;
    const XXH128_hash_t hash = XXH3_128bits_digest(state.xxh.get());
    hashes_.set(tile_.tensor, k, (state.position - 1) / kBlock,
                {hash.low64, hash.high64});
    XXH3_128bits_reset(state.xxh.get());
  }
}

}  // namespace soup
