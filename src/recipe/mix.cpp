#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "core/progress.h"
#include "core/threads.h"
#include "recipe/content_hash.h"
#include "recipe/findings.h"
#include "recipe/open_sources.h"
#include "recipe/piece.h"
#include "recipe/portions.h"
#include "soup/error.h"
#include "soup/recipe.h"

namespace soup {
namespace {

using Ingredients = std::span<const Checkpoint* const>;

constexpr uintptr_t kPage = 4096;
constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ of Linux 5.14

// Maps the pages of a range in one call instead of a fault each. Throws Error
// where reading them would be a SIGBUS; other failures do not matter.
void populate(std::span<const std::byte> bytes, const Checkpoint& from) {
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) & ~(kPage - 1);
  const auto end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size());
  const int failed =
      madvise(reinterpret_cast<void*>(begin), end - begin, kPopulateRead);
  if (failed != 0 && (errno == EFAULT || errno == EHWPOISON)) {
    throw Error(from.path().string() +
                ": cannot be read to its end; it became shorter, or its disk "
                "fails");
  }
}

// Lets go of pages that are not needed again, so that what the process holds
// does not grow with the files.
void release(std::span<const std::byte> bytes) {
  const auto begin =
      (reinterpret_cast<uintptr_t>(bytes.data()) + kPage - 1) & ~(kPage - 1);
  const auto end =
      reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) & ~(kPage - 1);
  if (begin >= end) return;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
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
    parallel_for(static_cast<int64_t>(tiles_.size()), threads,
                 [&](int64_t i) { make(tiles_[static_cast<size_t>(i)]); });
    check_unchanged();
    findings_.check(ingredients_);
    MixResult result{.hashes = {}, .bytes_read = plan_.bytes_read};
    if (hashes_) result.hashes = hashes_->finish();
    return result;
  }

 private:
  void make(const Tile& tile) {
    const PlannedTensor& tensor = plan_.tensors[tile.tensor];
    const std::span<const TensorData> values = sources_.get(tile.tensor);
    const auto run = [&](size_t k, int64_t begin, int64_t end) {
      const auto item =
          static_cast<int64_t>(item_bytes(tensor.sources[k].dtype));
      return values[k].bytes().subspan(
          static_cast<size_t>(begin * item),
          static_cast<size_t>((end - begin) * item));
    };
    std::optional<BlockHasher> hasher;
    if (hashes_) hasher.emplace(*hashes_, tensor, tile);
    for (size_t k = 0; k < values.size(); ++k) {
      populate(run(k, tile.begin, tile.end),
               *ingredients_[tensor.sources[k].ingredient]);
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
          .count = count,
          .source = [&](size_t k) { return run(k, begin, end).data(); },
          .out = std::span(out).first(count * out_item),
          .findings = found};
      tensor.rule->make(piece);
      sink_.write(tile.tensor, begin * static_cast<int64_t>(out_item),
                  piece.out);
      report(tensor, count);
    }
    for (size_t k = 0; k < values.size(); ++k) {
      if (values[k].mapped()) release(run(k, tile.begin, tile.end));
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
