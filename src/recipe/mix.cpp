#include <algorithm>
#include <memory>
#include <optional>

#include "core/progress.h"
#include "core/threads.h"
#include "recipe/content_hash.h"
#include "recipe/findings.h"
#include "recipe/open_sources.h"
#include "recipe/outliers.h"
#include "recipe/pages.h"
#include "recipe/piece.h"
#include "recipe/portions.h"
#include "recipe/whole.h"
#include "soup/recipe.h"

namespace soup {
namespace {

using Ingredients = std::span<const Checkpoint* const>;

// Tiles that one thread makes one after another, or all of a tensor that is
// made by all threads.
struct Job {
  size_t begin = 0;
  size_t end = 0;
  bool alone = false;
};

std::vector<Job> jobs(const Plan& plan, const std::vector<Tile>& tiles) {
  std::vector<Job> all;
  for (size_t i = 0; i < tiles.size(); ++i) {
    const PlannedTensor& tensor = plan.tensors[tiles[i].tensor];
    if (tensor.rule->prepare != nullptr && tiles[i].begin > 0) {
      all.back().end = i + 1;
    } else {
      all.push_back({i, i + 1, is_alone(tensor)});
    }
  }
  return all;
}

class Mixer {
 public:
  Mixer(const Plan& plan, Ingredients ingredients, Sink& sink,
        const MixOptions& options)
      : plan_(plan),
        ingredients_(ingredients),
        sink_(sink),
        tiles_(tiles(plan)),
        sources_(plan, ingredients),
        findings_(plan),
        progress_("mixing", plan.bytes_read, Unit::kBytes, options.progress) {
    if (options.hash) hashes_.emplace(plan, ingredients);
  }

  MixResult run(int threads) {
    const std::vector<Job> all = jobs(plan_, tiles_);
    for (size_t i = 0; i < all.size();) {
      if (all[i].alone) {
        make_alone(all[i++], threads);
        continue;
      }
      const size_t first = i;
      while (i < all.size() && !all[i].alone) ++i;
      parallel_for(static_cast<int64_t>(i - first), threads, [&](int64_t j) {
        make(all[first + static_cast<size_t>(j)]);
      });
    }
    check_unchanged();
    findings_.check(ingredients_);
    MixResult result;
    result.bytes_read = plan_.bytes_read;
    if (hashes_) result.hashes = hashes_->finish();
    result.notices = find_outliers(plan_, ingredients_, findings_.tensors());
    return result;
  }

 private:
  void make(const Job& job) {
    const auto found = prepare(tiles_[job.begin].tensor, 1);
    for (size_t i = job.begin; i < job.end; ++i) make(tiles_[i], found.get());
  }

  void make_alone(const Job& job, int threads) {
    const auto found = prepare(tiles_[job.begin].tensor, threads);
    parallel_for(
        static_cast<int64_t>(job.end - job.begin), threads, [&](int64_t i) {
          make(tiles_[job.begin + static_cast<size_t>(i)], found.get());
        });
  }

  // Values of source k of a tensor.
  std::span<const std::byte> values_of(size_t tensor, size_t k, int64_t begin,
                                       int64_t end) {
    const Source& source = plan_.tensors[tensor].sources[k];
    const auto item = static_cast<int64_t>(item_bytes(source.dtype));
    return sources_.get(tensor)[k].bytes().subspan(
        static_cast<size_t>(begin * item),
        static_cast<size_t>((end - begin) * item));
  }

  void touch(size_t tensor, size_t k, int64_t begin, int64_t end) {
    const Source& source = plan_.tensors[tensor].sources[k];
    populate(values_of(tensor, k, begin, end),
             *ingredients_[source.ingredient]);
  }

  void leave(size_t tensor, size_t k, int64_t begin, int64_t end) {
    if (!sources_.get(tensor)[k].mapped()) return;
    release(values_of(tensor, k, begin, end));
  }

  std::unique_ptr<const Prepared> prepare(size_t tensor, int threads) {
    const Rule& rule = *plan_.tensors[tensor].rule;
    if (rule.prepare == nullptr) return nullptr;
    const WholeTensor whole(
        plan_.tensors[tensor], sources_.get(tensor), threads,
        [&](size_t k, int64_t begin, int64_t end) {
          touch(tensor, k, begin, end);
        },
        [&](size_t k, int64_t begin, int64_t end) {
          leave(tensor, k, begin, end);
        });
    return rule.prepare(whole);
  }

  void make(const Tile& tile, const Prepared* prepared) {
    const PlannedTensor& tensor = plan_.tensors[tile.tensor];
    const std::span<const TensorData> values = sources_.get(tile.tensor);
    const auto run = [&](size_t k, int64_t begin, int64_t end) {
      return values_of(tile.tensor, k, begin, end);
    };
    std::optional<BlockHasher> hasher;
    if (hashes_) hasher.emplace(*hashes_, tensor, tile);
    for (size_t k = 0; k < values.size(); ++k) {
      touch(tile.tensor, k, tile.begin, tile.end);
    }
    Findings found(values.size());
    const auto step = static_cast<int64_t>(piece_items(tensor));
    const size_t out_item = item_bytes(tensor.out.dtype);
    std::vector<std::byte> out(
        static_cast<size_t>(std::min(step, tile.end - tile.begin)) * out_item);
    for (int64_t begin = tile.begin; begin < tile.end; begin += step) {
      const int64_t end = std::min(begin + step, tile.end);
      const auto count = static_cast<size_t>(end - begin);
      for (size_t k = 0; hasher && k < values.size(); ++k) {
        hasher->add(k, run(k, begin, end));
      }
      Piece piece = {
          .tensor = tensor,
          .begin = begin,
          .count = count,
          .source = [&](size_t k) { return run(k, begin, end).data(); },
          .out = std::span(out).first(count * out_item),
          .findings = found,
          .prepared = prepared};
      tensor.rule->make(piece);
      sink_.write(tile.tensor, begin * static_cast<int64_t>(out_item),
                  piece.out);
      report(tensor, count);
    }
    for (size_t k = 0; k < values.size(); ++k) {
      leave(tile.tensor, k, tile.begin, tile.end);
    }
    findings_.add(tile.tensor, found);
    sources_.done(tile.tensor);
  }

  void report(const PlannedTensor& tensor, size_t count) {
    size_t bytes = 0;
    for (const Source& source : tensor.sources) {
      bytes += count * item_bytes(source.dtype);
    }
    progress_.add(static_cast<int64_t>(bytes));
  }

  // Reading notices a file that changed before; this one that changed since.
  void check_unchanged() const {
    for (const Checkpoint* ingredient : ingredients_) {
      const std::span<const TensorInfo> tensors = ingredient->tensors();
      const auto smallest =
          std::min_element(tensors.begin(), tensors.end(),
                           [](const TensorInfo& a, const TensorInfo& b) {
                             return a.bytes() < b.bytes();
                           });
      if (smallest == tensors.end()) continue;
      ingredient->read(static_cast<size_t>(smallest - tensors.begin()));
    }
  }

  const Plan& plan_;
  Ingredients ingredients_;
  Sink& sink_;
  std::vector<Tile> tiles_;
  OpenSources sources_;
  FindingsOfPlan findings_;
  std::optional<ContentHashes> hashes_;
  Progress progress_;
};

}  // namespace

MixResult mix(const Plan& plan, std::span<const Checkpoint* const> ingredients,
              Sink& sink, const MixOptions& options) {
  return Mixer(plan, ingredients, sink, options).run(options.threads);
}

}  // namespace soup
