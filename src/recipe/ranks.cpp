#include "recipe/ranks.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "recipe/kernels.h"

namespace soup {
namespace {

constexpr int kDigit = 11;  // three of them cover 31 bits
constexpr int kDigits = 3;
constexpr uint64_t kMask = (uint64_t{1} << kDigit) - 1;

using Starts = std::array<uint32_t, size_t{1} << kDigit>;

uint64_t digit_of(uint64_t entry, int digit) {
  return (entry >> (32 + digit * kDigit)) & kMask;
}

void set(std::vector<uint64_t>& bits, uint64_t word, uint64_t mask) {
  if (mask == 0) return;
  std::atomic_ref(bits[word]).fetch_or(mask, std::memory_order_relaxed);
}

}  // namespace

void Ranks::rank(std::span<const double> row) {
  entries_.resize(row.size());
  other_.resize(row.size());
  ranks_.resize(row.size());
  kernels().task.float_keys(row.data(), row.size(), entries_.data());
  std::array<Starts, kDigits> starts{};
  for (size_t i = 0; i < row.size(); ++i) {
    entries_[i] = entries_[i] << 32 | i;
    for (int d = 0; d < kDigits; ++d) {
      ++starts[static_cast<size_t>(d)][digit_of(entries_[i], d)];
    }
  }
  for (int d = 0; d < kDigits; ++d) {
    Starts& start = starts[static_cast<size_t>(d)];
    // What all have in common need not be sorted by.
    if (start[digit_of(entries_[0], d)] == row.size()) continue;
    uint32_t sum = 0;
    for (uint32_t& count : start) {
      const uint32_t here = count;
      count = sum;
      sum += here;
    }
    for (const uint64_t entry : entries_) {
      other_[start[digit_of(entry, d)]++] = entry;
    }
    entries_.swap(other_);
  }
  for (size_t i = 0; i < row.size(); ++i) {
    ranks_[static_cast<uint32_t>(entries_[i])] = static_cast<uint32_t>(i);
  }
}

void Ranks::keep(std::span<const double> row, std::span<const uint32_t> drawn,
                 double least, double most, int64_t first,
                 std::vector<uint64_t>& bits) {
  if (row.empty()) return;
  rank(row);
  const double step =
      row.size() > 1 ? (most - least) / static_cast<double>(row.size() - 1) : 0;
  const double start = row.size() > 1 ? least : (least + most) / 2;
  words_.resize((row.size() + 63) / 64);
  kernels().task.stay_by_rank(ranks_.data(), drawn.data(), row.size(), start,
                              step, words_.data());
  const uint64_t word = static_cast<uint64_t>(first) / 64;
  const int shift = static_cast<int>(first % 64);
  for (size_t i = 0; i < words_.size(); ++i) {
    set(bits, word + i, words_[i] << shift);
    if (shift > 0) set(bits, word + i + 1, words_[i] >> (64 - shift));
  }
}

}  // namespace soup
