#include "recipe/select.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <mutex>
#include <optional>

#include "recipe/kernels.h"
#include "recipe/runs.h"

namespace soup {
namespace {

constexpr int kDigit = 16;  // bits that one pass tells apart
constexpr size_t kBins = size_t{1} << kDigit;

// The search for one cut: the leading bits of the threshold are known.
struct Search {
  size_t sequence = 0;
  int64_t rank = 0;   // among those with these leading bits
  int64_t equal = 0;  // how many have them
  uint64_t prefix = 0;
};

// Bits of magnitudes order as the magnitudes do.
void make_keys(const double* magnitudes, size_t n, bool are_floats,
               uint64_t* keys) {
  if (are_floats) {
    kernels().task.float_keys(magnitudes, n, keys);
  } else {
    std::memcpy(keys, magnitudes, n * sizeof(uint64_t));
  }
}

double value_of(uint64_t key, bool is_float) {
  return is_float ? std::bit_cast<float>(static_cast<uint32_t>(key))
                  : std::bit_cast<double>(key);
}

class Selection {
 public:
  Selection(const WholeTensor& whole, const Magnitudes& magnitudes,
            std::vector<Search> searches)
      : whole_(whole), magnitudes_(magnitudes), searches_(std::move(searches)) {
    std::stable_sort(searches_.begin(), searches_.end(),
                     [](const Search& a, const Search& b) {
                       return a.sequence < b.sequence;
                     });
  }

  // Digit by digit, from the most significant bits down.
  void find_thresholds() {
    int below = magnitudes_.are_floats ? 31 : 63;  // bits not known yet
    while (below > 0) {
      const int digit = std::min(below, kDigit);
      below -= digit;
      count(below, digit);
    }
  }

  // The index at which enough of the equal ones are counted.
  std::vector<int64_t> find_ties() const {
    std::vector<int64_t> ends(searches_.size(),
                              std::numeric_limits<int64_t>::max());
    const bool any = std::any_of(
        searches_.begin(), searches_.end(),
        [](const Search& search) { return search.rank < search.equal; });
    if (!any) return ends;
    const std::vector<int64_t> by_part = count_ties();
    for (size_t i = 0; i < searches_.size(); ++i) {
      if (searches_[i].rank < searches_[i].equal) {
        ends[i] = find_end(searches_[i], i, by_part);
      }
    }
    return ends;
  }

  const std::vector<Search>& searches() const { return searches_; }

 private:
  using Histogram = std::vector<int64_t>;

  // Calls work(search index, keys, n) for every span and search, on all
  // threads.
  template <typename Begin>
  void for_each_span(const Begin& begin) const {
    whole_.run([&](WholeTensor::Worker& worker) {
      auto work = begin();
      const Magnitudes::Compute compute = magnitudes_.reader();
      std::array<double, kRun> values;
      std::array<uint64_t, kRun> keys;
      while (const std::optional<Span> span = worker.next()) {
        for (size_t i = 0; i < searches_.size(); ++i) {
          if (i == 0 || searches_[i].sequence != searches_[i - 1].sequence) {
            compute(*span, searches_[i].sequence, values.data());
            make_keys(values.data(), span->n, magnitudes_.are_floats,
                      keys.data());
          }
          work.add(i, *span, keys.data());
        }
      }
      work.finish();
    });
  }

  void count(int below, int digit) {
    std::vector<Histogram> sums(searches_.size(), Histogram(kBins));
    std::mutex mutex;
    struct Work {
      const Selection& all;
      std::vector<Histogram>& sums;
      std::mutex& mutex;
      int below;
      int digit;
      std::vector<Histogram> bins;  // of this thread

      void add(size_t i, const Span& span, const uint64_t* keys) {
        const uint64_t prefix = all.searches_[i].prefix;
        const uint64_t mask = (uint64_t{1} << digit) - 1;
        for (size_t j = 0; j < span.n; ++j) {
          const uint64_t key = keys[j] >> below;
          if (key >> digit == prefix) ++bins[i][key & mask];
        }
      }
      void finish() {
        const std::lock_guard lock(mutex);
        for (size_t i = 0; i < bins.size(); ++i) {
          for (size_t b = 0; b < kBins; ++b) sums[i][b] += bins[i][b];
        }
      }
    };
    for_each_span([&] {
      return Work{*this, sums,
                  mutex, below,
                  digit, std::vector(searches_.size(), Histogram(kBins))};
    });
    for (size_t i = 0; i < searches_.size(); ++i) {
      narrow(searches_[i], sums[i], digit);
    }
  }

  static void narrow(Search& search, const Histogram& bins, int digit) {
    size_t bin = size_t{1} << digit;
    while (bin > 0 && search.rank > bins[--bin]) search.rank -= bins[bin];
    search.equal = bins[bin];
    search.prefix = (search.prefix << digit) | bin;
  }

  // By search, then by part of the tensor.
  std::vector<int64_t> count_ties() const {
    std::vector<int64_t> counts(searches_.size() * whole_.parts());
    struct Work {
      const Selection& all;
      std::vector<int64_t>& counts;

      void add(size_t i, const Span& span, const uint64_t* keys) {
        counts[i * all.whole_.parts() + span.part] += static_cast<int64_t>(
            kernels().task.count_equal(keys, span.n, all.searches_[i].prefix));
      }
      void finish() {}
    };
    for_each_span([&] { return Work{*this, counts}; });
    return counts;
  }

  int64_t find_end(const Search& search, size_t i,
                   const std::vector<int64_t>& by_part) const {
    int64_t left = search.rank;
    size_t part = 0;
    const int64_t* counts = &by_part[i * whole_.parts()];
    while (left > counts[part]) left -= counts[part++];
    const Magnitudes::Compute compute = magnitudes_.reader();
    std::array<double, kRun> values;
    std::array<uint64_t, kRun> keys;
    int64_t end = 0;
    whole_.scan(part, [&](const Span& span) {
      compute(span, search.sequence, values.data());
      make_keys(values.data(), span.n, magnitudes_.are_floats, keys.data());
      for (size_t j = 0; j < span.n && left > 0; ++j) {
        if (keys[j] == search.prefix && --left == 0) {
          end = span.begin + static_cast<int64_t>(j) + 1;
        }
      }
      return left > 0;
    });
    return end;
  }

  const WholeTensor& whole_;
  const Magnitudes& magnitudes_;
  std::vector<Search> searches_;
};

}  // namespace

std::vector<Cut> select(const WholeTensor& whole, const Magnitudes& magnitudes,
                        std::span<const Wanted> wanted) {
  std::vector<Cut> cuts(wanted.size());
  std::vector<Search> searches;
  std::vector<size_t> owners;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].rank > whole.count()) {
      cuts[i] = {-1, 0};  // all
    } else if (wanted[i].rank > 0) {
      searches.push_back(
          {.sequence = wanted[i].sequence, .rank = wanted[i].rank});
      owners.push_back(i);
    }
  }
  if (searches.empty()) return cuts;
  // The selection orders searches by sequence, keeping those of one in order.
  std::stable_sort(owners.begin(), owners.end(), [&](size_t a, size_t b) {
    return wanted[a].sequence < wanted[b].sequence;
  });
  Selection selection(whole, magnitudes, std::move(searches));
  selection.find_thresholds();
  const std::vector<int64_t> ends = selection.find_ties();
  for (size_t i = 0; i < owners.size(); ++i) {
    cuts[owners[i]] = {
        value_of(selection.searches()[i].prefix, magnitudes.are_floats),
        ends[i]};
  }
  return cuts;
}

}  // namespace soup
