#include "search/walk.h"

#include <utility>

#include "core/log.h"
#include "search/optimism.h"
#include "search/ranking.h"
#include "search/why.h"
#include "soup/error.h"

namespace soup {
namespace {

/// The best of what was found so far.
struct Found {
  Mixture mixture;
  Score score;
};

Found walk_along(Run& run, Strategy strategy, const std::vector<size_t>& order,
                 std::optional<Incumbent> first, std::optional<uint64_t> seed) {
  Walk walk(run, std::ssize(order), seed);
  strategy(walk, order, std::move(first));
  run.finish(walk.mixture(), walk.incumbent().score);
  return {walk.mixture(), walk.incumbent().score};
}

Found walk_along_all(Run& run, Strategy strategy) {
  const SearchOptions& options = run.options();
  std::optional<Found> best;
  for (int64_t i = 0; i < options.orders; ++i) {
    const uint64_t seed = options.seed + static_cast<uint64_t>(i);
    Found found = walk_along(run, strategy, random_order(run.size(), seed),
                             std::nullopt, seed);
    if (options.on_order) {
      options.on_order({.seed = seed,
                        .score = found.score,
                        .ingredients = std::ssize(found.mixture)});
    }
    if (!best || is_better(found.score, best->score, true)) {
      best = std::move(found);
    }
  }
  return *std::move(best);
}

// The scores of the soup without one of its ingredients each.
std::vector<std::optional<Score>> scores_without(Run& run,
                                                 const Mixture& mixture) {
  const Mixture all = distinct(mixture);
  std::vector<std::optional<Score>> scores(all.size());
  if (all.size() < 2) return scores;
  std::vector<Mixture> rests;
  std::vector<Whole> unknown;
  for (size_t index : all) {
    Mixture rest = mixture;
    std::erase(rest, index);
    if (!run.known(rest)) unknown.push_back({.mixture = rest});
    rests.push_back(std::move(rest));
  }
  const auto progress = evaluation_progress(
      "leaving out", run.primary().all(), std::ssize(unknown),
      run.options().progress && run.options().leave_one_out);
  if (run.options().leave_one_out) run.look_ahead(std::move(unknown));
  for (size_t i = 0; i < rests.size(); ++i) {
    scores[i] = run.known(rests[i]);
    if (!scores[i] && run.options().leave_one_out) {
      scores[i] = run.score(rests[i], run.primary(), *progress).score;
    }
  }
  return scores;
}

}  // namespace

Walk::Walk(Run& run, int64_t steps, std::optional<uint64_t> seed)
    : run_(run), seed_(seed) {
  expect(steps);
}

void Walk::expect(int64_t steps) {
  progress_ = evaluation_progress("searching", run_.panel().all(), steps,
                                  options().progress);
}

Criterion Walk::criterion() const {
  return {.accept_equal = options().accept_equal,
          .min_gain = options().min_gain,
          .alpha = options().alpha};
}

bool Walk::is_full() const {
  const int64_t most = options().max_ingredients;
  return most > 0 && std::ssize(mixture_) >= most;
}

Walk::Change Walk::growth() const {
  return [this](const Mixture& soup, size_t next) {
    std::optional<Mixture> grown;
    if (is_full()) return grown;
    grown = soup;
    grown->push_back(next);
    return grown;
  };
}

Candidate Walk::next_line() {
  Candidate line;
  line.step = step_++;
  line.seed = seed_;
  return line;
}

void Walk::start(Mixture mixture, std::optional<Incumbent> known) {
  incumbent_ = std::make_shared<const Incumbent>(
      known ? *std::move(known)
            : run_.score(mixture, run_.panel(), *progress_));
  mixture_ = std::move(mixture);
  Candidate line = next_line();
  if (mixture_.size() == 1) {
    line.path = run_.checkpoint(mixture_.front()).path();
  }
  line.accepted = true;
  line.seen = line.count = incumbent_->score.count;
  line.value = line.best = incumbent_->score.value;
  line.seconds = incumbent_->score.seconds;
  if (options().on_candidate) options().on_candidate(line);
}

Job Walk::job_of(const Step& step) const {
  return {.mixture = step.mixture,
          .part = {},
          .incumbent = incumbent_,
          .criterion = step.criterion,
          .forecast = step.whole
                          ? Forecast()
                          : run_.forecast(mixture_, step.mixture, step.index)};
}

std::optional<Walk::Step> Walk::prepare(std::span<const size_t> visits,
                                        const Change& change,
                                        const Criterion& criterion,
                                        std::optional<int64_t> round) {
  std::optional<Step> first;
  std::vector<Job> jobs;
  for (const size_t index : visits) {
    if (first && std::ssize(jobs) >= run_.ahead()) break;
    std::optional<Mixture> mixture = change(mixture_, index);
    if (!mixture) break;
    const Step step = {index, *std::move(mixture), criterion, round};
    jobs.push_back(job_of(step));
    if (!first) first = step;
  }
  run_.look_ahead(std::move(jobs));
  return first;
}

Trial Walk::compare(const Step& step) {
  Candidate line = next_line();
  line.early = step.early;
  if (step.whole) {
    for (const size_t i : step.mixture) {
      line.set.push_back(run_.checkpoint(i).path());
    }
  } else {
    line.path = run_.checkpoint(step.index).path();
    line.removes = step.mixture.size() < mixture_.size();
  }
  line.round = step.round;
  return run_.compare(line, job_of(step), *progress_);
}

void Walk::take(const Step& step, Trial trial) {
  mixture_ = step.mixture;
  Incumbent next = {*trial.score, std::move(trial.answers)};
  for (Trial& guard : trial.guards) {
    next.guards.push_back({*guard.score, std::move(guard.answers)});
  }
  incumbent_ = std::make_shared<const Incumbent>(std::move(next));
}

std::vector<size_t> Walk::visit_all(std::span<const size_t> visits,
                                    const Change& change) {
  std::vector<size_t> rejected;
  for (; !visits.empty(); visits = visits.subspan(1)) {
    const std::optional<Step> step = prepare(visits, change, criterion());
    if (!step) break;
    Trial trial = compare(*step);
    if (trial.accepted) {
      take(*step, std::move(trial));
    } else {
      rejected.push_back(step->index);
    }
  }
  return rejected;
}

void Walk::try_sets(std::span<const Mixture> sets) {
  for (; !sets.empty(); sets = sets.subspan(1)) {
    const Step first = {
        .mixture = sets.front(), .criterion = criterion(), .whole = true};
    std::vector<Job> jobs = {job_of(first)};
    for (const Mixture& set : sets.subspan(1)) {
      if (std::ssize(jobs) >= run_.ahead()) break;
      jobs.push_back(
          job_of({.mixture = set, .criterion = criterion(), .whole = true}));
    }
    run_.look_ahead(std::move(jobs));
    Trial trial = compare(first);
    if (trial.accepted) take(first, std::move(trial));
  }
}

void check_search(const Evaluator& evaluator, const SearchOptions& options) {
  if (!options.full && evaluator.examples() > 0 && !evaluator.terms()) {
    log::info(evaluator.dataset() +
              ": the score is no mean over the examples, so that no part of "
              "them bounds it: every candidate is scored on all");
  }
  const bool counts = evaluator.counts() && !evaluator.weighted();
  if (options.min_gain > 0 && !counts) {
    throw UsageError("--min-gain counts examples, which this metric does not");
  }
  if (options.alpha > 1) throw UsageError("--alpha: must be at most 1");
  if (options.alpha < 1 && !(counts && evaluator.examples() > 0)) {
    throw UsageError(
        "--alpha tests counts of examples, which this metric does not give");
  }
}

SearchResult conclude(Run& run, const Mixture& mixture, const Score& score,
                      std::vector<size_t> order) {
  SearchResult result;
  result.recipe = run.recipe(mixture);
  result.score = score;
  result.without = scores_without(run, mixture);
  if (run.options().optimism_folds > 0)
    result.optimism = estimate_optimism(run);
  const bool by_wish = run.options().max_ingredients == 1;
  if (distinct(mixture).size() == 1 && run.size() > 1 && !by_wish) {
    std::erase(order, mixture.front());
    result.reason = why_single(run, mixture.front(), order);
  }
  return result;
}

SearchResult search(std::string_view name, Strategy strategy,
                    std::span<const CheckpointPtr> checkpoints,
                    Evaluator& evaluator, const SearchOptions& options) {
  check_search(evaluator, options);
  Run run(name, checkpoints, evaluator, options);
  if (options.orders > 1) {
    const Found found = walk_along_all(run, strategy);
    return conclude(run, found.mixture, found.score,
                    random_order(run.size(), options.seed));
  }
  Ranking ranking = rank(run);
  const Found found = walk_along(run, strategy, ranking.order,
                                 std::move(ranking.first), std::nullopt);
  SearchResult result =
      conclude(run, found.mixture, found.score, ranking.order);
  if (!ranking.scores.empty()) {
    result.best_single = ranking.scores.front();
    result.best_path = run.checkpoint(ranking.order.front()).path();
  }
  return result;
}

}  // namespace soup
