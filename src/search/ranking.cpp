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

Ranking rank_by_score(Run& run) {
  const SearchOptions& options = run.options();
  const auto known = [&](size_t i) {
    return options.scores.find(run.checkpoint(i).path().string());
  };
  Ranking ranking;
  int64_t missing = 0;
  for (size_t i = 0; i < run.size(); ++i) {
    missing += known(i) == options.scores.end() ? 1 : 0;
    ranking.order.push_back(i);
  }
  const auto progress = evaluation_progress("scoring", {&run.evaluator()},
                                            missing, options.progress);
  std::vector<Score>& scores = ranking.scores;
  size_t best = 0;
  for (size_t i = 0; i < run.size(); ++i) {
    const std::filesystem::path& path = run.checkpoint(i).path();
    std::optional<Incumbent> fresh;
    if (known(i) == options.scores.end()) fresh = run.score(i, *progress);
    scores.push_back(fresh ? fresh->score
                           : checked(known(i)->second, run.evaluator(),
                                     i == 0 ? nullptr : &scores[0], path));
    if (options.on_score) options.on_score(path, scores[i]);
    if (i == 0 || is_better(scores[i], scores[best], true)) {
      best = i;
      ranking.first = std::move(fresh);
    }
  }
  std::stable_sort(ranking.order.begin(), ranking.order.end(),
                   [&](size_t a, size_t b) {
                     return is_better(scores[a], scores[b], true);
                   });
  std::vector<Score> by_rank;
  for (size_t i : ranking.order) by_rank.push_back(scores[i]);
  scores = std::move(by_rank);
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

Ranking rank(Run& run) {
  const SearchOptions& options = run.options();
  if (options.order == Order::kScore) return rank_by_score(run);
  Ranking ranking;
  ranking.order.resize(run.size());
  std::iota(ranking.order.begin(), ranking.order.end(), size_t{0});
  if (options.order == Order::kRandom) {
    ranking.order = random_order(run.size(), options.seed);
  }
  return ranking;
}

}  // namespace soup
