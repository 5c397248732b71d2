#include "recipe/ranks.h"

#include <array>
#include <atomic>
#include <bit>
#include <cmath>

#include "recipe/draws.h"

namespace soup {
namespace {

constexpr int kDigit = 11;  // three passes over 31 bits

}  // namespace

void Ranks::sort(std::span<const double> row) {
  entries_.resize(row.size());
  other_.resize(row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    const auto magnitude = static_cast<float>(std::fabs(row[i]));
    entries_[i] = {std::bit_cast<uint32_t>(magnitude),
                   static_cast<uint32_t>(i)};
  }
  for (int shift = 0; shift < 31; shift += kDigit) {
    std::array<uint32_t, size_t{1} << kDigit> starts{};
    const uint32_t mask = (1U << kDigit) - 1;
    for (const Entry& entry : entries_) ++starts[(entry.key >> shift) & mask];
    uint32_t sum = 0;
    for (uint32_t& start : starts) {
      const uint32_t count = start;
      start = sum;
      sum += count;
    }
    for (const Entry& entry : entries_) {
      other_[starts[(entry.key >> shift) & mask]++] = entry;
    }
    entries_.swap(other_);
  }
}

void Ranks::keep(std::span<const double> row, std::span<const uint32_t> drawn,
                 double least, double most, int64_t first,
                 std::vector<uint64_t>& bits) {
  sort(row);
  const double step =
      row.size() > 1 ? (most - least) / static_cast<double>(row.size() - 1) : 0;
  const double start = row.size() > 1 ? least : (least + most) / 2;
  for (size_t rank = 0; rank < entries_.size(); ++rank) {
    const uint32_t i = entries_[rank].index;
    const double p = start + step * static_cast<double>(rank);
    if (drawn[i] >= draw_limit(p)) continue;
    const auto bit = static_cast<uint64_t>(first) + i;
    std::atomic_ref(bits[bit / 64])
        .fetch_or(uint64_t{1} << (bit % 64), std::memory_order_relaxed);
  }
}

}  // namespace soup
