#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "soup/recipe.h"

/// How the work is cut. Results do not depend on it.
namespace soup {

/// Items of a tile, what one thread works on. As item sizes are powers of two,
/// tiles start at multiples of a MiB in every source: hashed blocks do not
/// cross them.
inline constexpr int64_t kTile = int64_t{1} << 20;
/// Sources are hashed in blocks of this many bytes.
inline constexpr int64_t kBlock = int64_t{1} << 20;

struct Tile {
  size_t tensor = 0;  ///< of the plan
  int64_t begin = 0;  ///< item
  int64_t end = 0;
};

/// Items of an output tensor.
int64_t item_count(const TensorInfo&);

/// Tiles of every tensor that has a rule and values, in order.
std::vector<Tile> tiles(const Plan&);

/// True when all threads work on this tensor together, false when it can be
/// made while others are.
bool is_alone(const PlannedTensor&);

/// Items processed at a time: all sources of a piece stay in the cache between
/// being hashed and being mixed. A power of two that divides kTile.
size_t piece_items(const PlannedTensor&);

/// Memory that reading all sources of `tensor` takes, in bytes.
int64_t sources_memory(const PlannedTensor& tensor,
                       std::span<const Checkpoint* const> ingredients);

/// Fills in bytes_read, bytes_write and peak_memory.
void count_bytes(Plan&, std::span<const Checkpoint* const> ingredients);

}  // namespace soup
