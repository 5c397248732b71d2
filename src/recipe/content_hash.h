#pragma once

#include <xxhash.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/hash.h"
#include "recipe/portions.h"
#include "soup/recipe.h"

namespace soup {

/// Hashes of the ingredients' contents, taken block by block while they are
/// mixed, in any order and by several threads.
class ContentHashes {
 public:
  ContentHashes(const Plan& plan,
                std::span<const Checkpoint* const> ingredients);

  /// Sets block `block` of source `k` of output tensor `tensor`.
  void set(size_t tensor, size_t k, int64_t block, const Hash128& hash) {
    blocks_[tensor][k][static_cast<size_t>(block)] = hash;
  }
  /// 32 hex digits per ingredient, when all blocks are set.
  std::vector<std::string> finish() const;

 private:
  const Plan& plan_;
  std::span<const Checkpoint* const> ingredients_;
  std::vector<std::vector<std::vector<Hash128>>> blocks_;
};

/// Cuts the values of all sources of a tile into blocks and hashes them.
class BlockHasher {
 public:
  /// `tile` must outlive this object.
  BlockHasher(ContentHashes& hashes, const PlannedTensor& tensor,
              const Tile& tile);
  /// Takes the next `bytes` of source `k`; calls of one source come in order
  /// and add up to the tile.
  void add(size_t k, std::span<const std::byte> bytes);

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  struct State {
    std::unique_ptr<XXH3_state_t, Free> xxh;
    int64_t position = 0;  // of the source's bytes
    int64_t end = 0;
  };

  ContentHashes& hashes_;
  const Tile& tile_;
  std::vector<State> states_;
};

}  // namespace soup
