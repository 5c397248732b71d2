#include <algorithm>

#include "core/file.h"
#include "search/ranking.h"
#include "search/searches.h"
#include "search/walk.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kEach = 50;  // sets that are ranked for one that is tried

/// A set of checkpoints and what its ensemble scores.
struct Proposal {
  Mixture set;
  Score score;
};

bool comes_first(const Proposal& a, const Proposal& b) {
  return is_better(a.score, b.score, true);
}

/// What every checkpoint says of every example. Kept in the run's folder until
/// the sets are ranked, so that a killed run does not ask again.
class CachedLogits {
 public:
  explicit CachedLogits(Run& run) : run_(run) {
    const fs::path& folder = run.options().run_dir;
    if (!folder.empty()) folder_ = folder / "logits";
    if (run.options().fresh) remove();
    const auto progress = evaluation_progress("logits", run.primary().all(),
                                              static_cast<int64_t>(run.size()),
                                              run.options().progress);
    std::vector<Whole> missing;
    for (size_t i = 0; i < run.size(); ++i) {
      if (!is_kept(i)) missing.push_back({.mixture = {i}, .logits = true});
    }
    run.look_ahead(std::move(missing));
    for (size_t i = 0; i < run.size(); ++i) all_.push_back(get(i, *progress));
  }

  std::span<const CheckpointPtr> all() const { return all_; }

  void remove() {
    std::error_code kept;
    if (!folder_.empty()) fs::remove_all(folder_, kept);
  }

 private:
  fs::path file(size_t i) const {
    return folder_ / (std::to_string(i) + ".safetensors");
  }

  bool is_kept(size_t i) const {
    return !folder_.empty() && fs::exists(file(i));
  }

  CheckpointPtr get(size_t i, Progress& progress) const {
    if (is_kept(i)) {
      progress.add(run_.panel().primary.examples());
      return open_checkpoint(file(i));
    }
    CheckpointPtr logits = run_.logits({i}, &progress);
    if (!logits) {
      throw UsageError(
          "--budget: ranks ensembles, which takes logits: give one --val");
    }
    if (folder_.empty()) return logits;
    fs::create_directories(folder_);
    save_checkpoint(*logits, file(i));
    return open_checkpoint(file(i));
  }

  Run& run_;
  fs::path folder_;
  std::vector<CheckpointPtr> all_;
};

/// The best single first, then the best ensembles of random sets, whose sizes
/// are 2, 3, ... in turn.
Proposals propose(Run& run) {
  const SearchOptions& options = run.options();
  const Evaluator& evaluator = run.panel().primary;
  CachedLogits logits(run);
  const auto judge =
      make_logits_evaluator(*logits.all().front(), evaluator.dataset(),
                            evaluator.identity().at("metric"));
  Recipe mean;
  mean.allow_nonfinite = true;  // they count as wrong
  Former former(logits.all(), mean);
  const auto score = [&](Mixture set) {
    const Score found = judge->evaluate(former.form(set)).value();
    return Proposal{std::move(set), found};
  };
  Proposals made;
  std::vector<Proposal> singles;
  for (size_t i = 0; i < run.size(); ++i) {
    singles.push_back(score({i}));
    made.singles.push_back(singles.back().score);
    if (options.on_score) {
      options.on_score(run.checkpoint(i).path(), made.singles.back());
    }
  }
  std::stable_sort(singles.begin(), singles.end(), comes_first);
  std::vector<Mixture>& found = made.sets;
  found.push_back(singles.front().set);

  const int64_t draws = options.budget * kEach;
  Progress progress("ensembles", draws, Unit::kItems, options.progress);
  std::vector<Proposal> sets;
  for (int64_t k = 0; k < draws && run.size() > 1; ++k) {
    const auto of = static_cast<size_t>(k);
    Mixture set = random_order(run.size(), options.seed + of);
    set.resize(2 + of % (run.size() - 1));
    std::sort(set.begin(), set.end());
    sets.push_back(score(std::move(set)));
    progress.add(1);
  }
  std::stable_sort(sets.begin(), sets.end(), comes_first);
  for (const Proposal& one : sets) {
    if (std::ssize(found) > options.budget) break;
    if (std::find(found.begin(), found.end(), one.set) == found.end()) {
      found.push_back(one.set);
    }
  }
  logits.remove();
  return made;
}

}  // namespace

/// RADIN (arXiv:2401.17790): to first order a soup's logits are the mean of its
/// ingredients', so of many random sets those with the best ensembles are
/// scored as soups, `budget` of them; the best is taken. Ensembles propose,
/// only scores of soups decide.
SearchResult radin(std::span<const CheckpointPtr> checkpoints,
                   Evaluator* evaluator, const SearchOptions& options) {
  Run run("radin", checkpoints, *evaluator, options);
  const std::vector<Mixture> sets =
      run.proposals([&] { return propose(run); }).sets;
  Walk walk(run, std::ssize(sets), std::nullopt);
  walk.start(sets.front(), std::nullopt);
  SearchResult result;
  result.best_single = walk.incumbent().score;
  result.best_path = run.checkpoint(sets.front().front()).path();
  walk.try_sets(std::span(sets).subspan(1));
  run.finish(walk.mixture(), walk.incumbent().score);
  result.recipe = run.recipe(walk.mixture());
  result.score = walk.incumbent().score;
  return result;
}

}  // namespace soup
