#include "data/selection.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "core/log.h"
#include "core/philox.h"
#include "data/array.h"
#include "data/examples.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSplitSeed = 98;  // never to change: it is the split

bool is_mask(const std::vector<double>& values, size_t count) {
  return values.size() == count &&
         std::all_of(values.begin(), values.end(),
                     [](double v) { return v == 0 || v == 1; });
}

// A mask over all `count` examples, or positions among them.
std::vector<int64_t> read_indices(const fs::path& path, size_t count) {
  const Array array = read_array(path);
  const std::string& where = array.where;
  const NpyHeader& header = array.header;
  if (header.shape.size() != 1) {
    throw Error(where + ": expected one dimension: a 0 or 1 an example, or " +
                "positions");
  }
  const std::vector<double> values = npy_values(header, array.values);
  std::vector<int64_t> chosen;
  if (is_mask(values, count)) {
    for (size_t i = 0; i < count; ++i) {
      if (values[i] == 1) chosen.push_back(static_cast<int64_t>(i));
    }
    return chosen;
  }
  for (const double value : values) {
    if (!(value >= 0 && value < static_cast<double>(count)) ||
        value != static_cast<double>(static_cast<int64_t>(value))) {
      throw Error(where + ": holds " + std::to_string(values.size()) +
                  " values that are neither a 0 or 1 for each of the " +
                  std::to_string(count) + " examples nor positions among them");
    }
    chosen.push_back(static_cast<int64_t>(value));
  }
  std::sort(chosen.begin(), chosen.end());
  if (std::adjacent_find(chosen.begin(), chosen.end()) != chosen.end()) {
    throw Error(where + ": names an example twice");
  }
  return chosen;
}

uint64_t draw_of(int64_t position) {
  const auto place = static_cast<uint64_t>(position);
  const std::array<uint32_t, 4> bits = philox(
      {static_cast<uint32_t>(place), static_cast<uint32_t>(place >> 32), 0, 0},
      kSplitSeed);
  return uint64_t{bits[0]} << 32 | bits[1];
}

// Of every class those with the smallest draws.
std::vector<int64_t> draw_per_class(const DatasetSpec& spec,
                                    const Listing& listing) {
  const auto wanted = static_cast<size_t>(*spec.per_class);
  std::map<int32_t, std::vector<std::pair<uint64_t, int64_t>>> classes;
  for (size_t i = 0; i < listing.labels.size(); ++i) {
    const auto position = static_cast<int64_t>(i);
    classes[listing.labels[i].front()].emplace_back(draw_of(position),
                                                    position);
  }
  std::vector<int64_t> chosen;
  for (auto& [label, drawn] : classes) {
    if (drawn.size() < wanted) {
      throw Error(spec.name + ": class " + std::to_string(label) + " has " +
                  std::to_string(drawn.size()) + " examples, but " +
                  std::to_string(wanted) + " of each class are held out");
    }
    std::partial_sort(drawn.begin(),
                      drawn.begin() + static_cast<int64_t>(wanted),
                      drawn.end());
    for (size_t i = 0; i < wanted; ++i) chosen.push_back(drawn[i].second);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<int64_t> chosen_of(const DatasetSpec& spec,
                               const Listing& listing) {
  std::error_code error;
  const bool named = !spec.indices.empty();
  const bool there = named && fs::exists(array_file(spec.indices), error);
  if (there) return read_indices(spec.indices, listing.files.size());
  if (spec.per_class) {
    const std::string each = std::to_string(*spec.per_class);
    if (named) {
      log::warn(spec.indices.string() + ": no such file; " + spec.name +
                " is a split of soup's own instead: " + each +
                " examples of each class, drawn");
    }
    return draw_per_class(spec, listing);
  }
  if (named) {
    throw Error(spec.indices.string() +
                ": no such file; it says which "
                "examples are " +
                spec.name);
  }
  std::vector<int64_t> all(listing.files.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

std::vector<int64_t> select_examples(const DatasetSpec& spec,
                                     const Listing& listing) {
  const std::vector<int64_t> chosen = chosen_of(spec, listing);
  const auto [begin, end] = checked_range(spec, std::ssize(chosen));
  return {chosen.begin() + begin, chosen.begin() + end};
}

}  // namespace soup
