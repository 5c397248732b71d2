#include "search/ranking.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "core/table.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

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
  const auto progress = evaluation_progress("scoring", run.primary().all(),
                                            missing, options.progress);
  std::vector<Whole> wholes;
  for (size_t i = 0; i < run.size(); ++i) {
    if (known(i) == options.scores.end()) wholes.push_back({.mixture = {i}});
  }
  run.look_ahead(std::move(wholes));
  std::vector<Score>& scores = ranking.scores;
  size_t best = 0;
  for (size_t i = 0; i < run.size(); ++i) {
    const std::filesystem::path& path = run.checkpoint(i).path();
    std::optional<Incumbent> fresh;
    if (known(i) == options.scores.end())
      fresh = run.score({i}, run.primary(), *progress);
    scores.push_back(fresh ? fresh->score
                           : checked(known(i)->second, run.panel().primary,
                                     i == 0 ? nullptr : &scores[0], path));
    run.remember({i}, scores[i]);
    if (options.on_score) options.on_score(path, scores[i]);
    if (i == 0 || is_better(scores[i], scores[best], true)) {
      best = i;
      ranking.first = std::move(fresh);
    }
  }
  // What it is on the guards is not known yet.
  if (!options.guards.empty()) ranking.first.reset();
  std::stable_sort(ranking.order.begin(), ranking.order.end(),
                   [&](size_t a, size_t b) {
                     return is_better(scores[a], scores[b], true);
                   });
  std::vector<Score> by_rank;
  for (size_t i : ranking.order) by_rank.push_back(scores[i]);
  scores = std::move(by_rank);
  return ranking;
}

std::vector<size_t> listed_order(const Run& run) {
  std::vector<size_t> order;
  std::vector<bool> listed(run.size());
  std::vector<std::string> known;
  for (size_t i = 0; i < run.size(); ++i) {
    known.push_back(run.checkpoint(i).path().string());
  }
  for (const fs::path& path : run.options().visit) {
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const std::string& one) {
          return one == path.string() || fs::path(one).filename() == path;
        });
    if (found == known.end()) {
      const std::vector<std::string_view> names(known.begin(), known.end());
      throw UsageError("--order: no checkpoint is called '" +
                       printable(path.string()) + "'" +
                       suggestion(path.string(), names));
    }
    const auto i = static_cast<size_t>(found - known.begin());
    if (listed[i])
      throw UsageError("--order: lists " + printable(known[i]) + " twice");
    listed[i] = true;
    order.push_back(i);
  }
  for (size_t i = 0; i < run.size(); ++i) {
    if (!listed[i])
      throw UsageError("--order: does not list " + printable(known[i]));
  }
  return order;
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
  if (options.order == Order::kFile) {
    ranking.order = listed_order(run);
    return ranking;
  }
  ranking.order.resize(run.size());
  std::iota(ranking.order.begin(), ranking.order.end(), size_t{0});
  if (options.order == Order::kRandom) {
    ranking.order = random_order(run.size(), options.seed);
  }
  return ranking;
}

}  // namespace soup
