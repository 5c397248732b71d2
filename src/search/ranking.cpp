#include "search/ranking.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "soup/error.h"

namespace soup {
namespace {

// A score that was taken elsewhere must mean the same thing here.
Score checked(Score known, const Evaluator& evaluator, const Score* other,
              const std::filesystem::path& path) {
  const int64_t count = other != nullptr ? other->count : evaluator.examples();
  if (count > 0 && known.count != count) {
    throw Error(path.string() + ": its known score was taken on " +
                std::to_string(known.count) + " examples, but " +
                evaluator.dataset() + " has " + std::to_string(count));
  }
  if (other != nullptr && known.metric != other->metric) {
    throw Error(path.string() + ": its known score is " + known.metric +
                ", the others are " + other->metric);
  }
  return known;
}

struct Scored {
  const Checkpoint* checkpoint;
  Score score;
};

Ranking rank_by_score(std::span<const CheckpointPtr> checkpoints,
                      Evaluator& evaluator, const SearchOptions& options) {
  Ranking ranking;
  std::vector<Scored> scored;
  const Score* best = nullptr;
  const auto missing = std::count_if(
      checkpoints.begin(), checkpoints.end(), [&](const CheckpointPtr& c) {
        return !options.scores.contains(c->path().string());
      });
  const auto progress =
      evaluation_progress("scoring", {&evaluator}, missing, options.progress);
  scored.reserve(checkpoints.size());  // `best` points into it
  for (const CheckpointPtr& checkpoint : checkpoints) {
    const auto known = options.scores.find(checkpoint->path().string());
    std::optional<Incumbent> fresh;
    if (known == options.scores.end()) {
      fresh = score_fully(evaluator, *checkpoint, *progress);
    }
    const Score score =
        fresh ? fresh->score
              : checked(known->second, evaluator,
                        scored.empty() ? nullptr : &scored.front().score,
                        checkpoint->path());
    if (options.on_score) options.on_score(checkpoint->path(), score);
    scored.push_back({checkpoint.get(), score});
    if (best == nullptr || is_better(score, *best, true)) {
      best = &scored.back().score;
      ranking.first = std::move(fresh);
    }
  }
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Scored& a, const Scored& b) {
                     return is_better(a.score, b.score, true);
                   });
  for (const Scored& entry : scored) {
    ranking.order.push_back(entry.checkpoint);
    ranking.scores.push_back(entry.score);
  }
  return ranking;
}

}  // namespace

std::vector<size_t> random_order(size_t count, uint64_t seed) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  // std::shuffle and the distributions differ between libraries; the engine
  // does not.
  std::mt19937_64 engine(seed);
  for (size_t i = count; i > 1; --i) {
    const uint64_t limit = UINT64_MAX - UINT64_MAX % i;
    uint64_t draw = engine();
    while (draw >= limit) draw = engine();
    std::swap(order[i - 1], order[draw % i]);
  }
  return order;
}

Ranking rank(std::span<const CheckpointPtr> checkpoints, Evaluator& evaluator,
             const SearchOptions& options) {
  if (options.order == Order::kScore) {
    return rank_by_score(checkpoints, evaluator, options);
  }
  Ranking ranking;
  std::vector<size_t> order(checkpoints.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (options.order == Order::kRandom) {
    order = random_order(checkpoints.size(), options.seed);
  }
  for (size_t i : order) ranking.order.push_back(checkpoints[i].get());
  return ranking;
}

}  // namespace soup
