#include "search/lazy_ranking.h"

#include <algorithm>
#include <numeric>

namespace soup {
namespace {

// A sample costs as much of a full pass as it is of the examples, and only has
// to tell good checkpoints from bad ones.
constexpr int64_t kEvery = 20;

}  // namespace

LazyRanking::LazyRanking(Run& run)
    : run_(run),
      progress_(evaluation_progress("ranking", run.primary().all(),
                                    static_cast<int64_t>(run.size()),
                                    run.options().progress)),
      rest_(run.size()) {
  std::iota(rest_.begin(), rest_.end(), size_t{0});
  sample();
}

void LazyRanking::sample() {
  const int64_t count = run_.panel().primary.examples();
  const Part part = {.end = count, .step = std::min(kEvery, count)};
  std::vector<Job> jobs;
  for (const size_t i : rest_) jobs.push_back({.mixture = {i}, .part = part});
  run_.look_ahead(std::move(jobs));
  std::vector<int64_t> correct;
  for (const size_t i : rest_) correct.push_back(run_.sample(i, part));
  std::stable_sort(rest_.begin(), rest_.end(),
                   [&](size_t a, size_t b) { return correct[a] > correct[b]; });
}

std::vector<size_t> LazyRanking::take(size_t most) {
  std::vector<size_t> best;
  for (const size_t i : rest_) {
    if (known_.contains(i)) insert(i, best);
  }
  std::vector<size_t> open;
  for (const size_t i : rest_) {
    if (!known_.contains(i)) open.push_back(i);
  }
  for (size_t k = 0; k < open.size(); ++k) {
    look_ahead(std::span(open).subspan(k), best, most);
    examine(open[k], best, most);
    if (known_.contains(open[k])) insert(open[k], best);
  }
  best.resize(std::min(best.size(), most));
  std::erase_if(rest_, [&](size_t i) {
    return std::find(best.begin(), best.end(), i) != best.end();
  });
  return best;
}

void LazyRanking::examine(size_t index, const std::vector<size_t>& best,
                          size_t most) {
  Known now;
  if (best.size() < most) {
    now = std::make_shared<const Incumbent>(
        run_.score({index}, run_.primary(), *progress_));
  } else {
    Trial trial = run_.race(race(index, best[most - 1]), *progress_);
    if (!trial.score) return;
    now = std::make_shared<const Incumbent>(
        Incumbent{*trial.score, std::move(trial.answers)});
  }
  const SearchOptions& options = run_.options();
  if (options.on_score) {
    options.on_score(run_.checkpoint(index).path(), now->score);
  }
  known_.emplace(index, std::move(now));
}

void LazyRanking::look_ahead(std::span<const size_t> next,
                             const std::vector<size_t>& best, size_t most) {
  if (best.size() < most) {
    std::vector<Whole> wholes;
    for (const size_t i :
         next.first(std::min(next.size(), most - best.size()))) {
      wholes.push_back({.mixture = {i}});
    }
    run_.look_ahead(std::move(wholes));
    return;
  }
  std::vector<Job> races;
  for (const size_t i : next) {
    if (std::ssize(races) >= run_.ahead()) break;
    races.push_back(race(i, best[most - 1]));
  }
  run_.look_ahead(std::move(races));
}

Job LazyRanking::race(size_t index, size_t against) const {
  return {.mixture = {index},
          .incumbent = known_.at(against),
          .criterion = {.accept_equal = index < against}};
}

bool LazyRanking::comes_before(size_t a, size_t b) const {
  const Score& x = known_.at(a)->score;
  const Score& y = known_.at(b)->score;
  return is_better(x, y, true) || (is_better(x, y, false) && a < b);
}

void LazyRanking::insert(size_t index, std::vector<size_t>& best) const {
  const auto place = std::find_if(best.begin(), best.end(), [&](size_t other) {
    return comes_before(index, other);
  });
  best.insert(place, index);
}

}  // namespace soup
