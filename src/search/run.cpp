#include "search/run.h"

#include <algorithm>
#include <chrono>

#include "core/binomial.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "search/identity.h"
#include "search/records.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

Run::Run(std::string_view search, std::span<const CheckpointPtr> checkpoints,
         Evaluator& evaluator, const SearchOptions& options)
    : checkpoints_(checkpoints),
      options_(options),
      panel_{evaluator, options.guards},
      former_(checkpoints, options.recipe) {
  if (options.run_dir.empty()) return;
  journal_.emplace(options.run_dir, options.fresh);
  begin_journal(*journal_, options.run_dir,
                identity_of(search, checkpoints, panel_, options));
}

std::optional<ordered_json> Run::replay(std::string_view kind,
                                        const Mixture& mixture) {
  if (!journal_) return std::nullopt;
  auto record = journal_->replay();
  if (!record) return std::nullopt;
  const bool fits =
      record->value("kind", "") == kind &&
      record->value("ingredients", ordered_json()) == ordered_json(mixture);
  if (!fits) {
    throw Error(journal_->where() +
                ": is of another step than the run asks for; --fresh starts "
                "anew");
  }
  return record;
}

void Run::append(std::string_view kind, const Mixture& mixture,
                 const ordered_json& record) {
  if (!journal_) return;
  ordered_json line = {{"kind", kind}, {"ingredients", mixture}};
  line.update(record);
  journal_->append(line);
}

Incumbent Run::score(const Mixture& mixture, const Panel& panel,
                     Progress& progress) {
  Incumbent scored;
  if (const auto record = replay("score", mixture)) {
    const std::string where = journal_->where();
    scored = checked_record(
        where, [&] { return read_incumbent(panel, *record, where); });
    progress.add(panel.examples());
  } else {
    scored = score_fully(panel, former_.form(mixture), progress);
    ordered_json of;
    if (mixture.size() == 1) {
      of["path"] = checkpoint(mixture.front()).path().string();
    }
    of.update(incumbent_record(panel, scored));
    append("score", mixture, of);
  }
  remember(mixture, scored.score);
  keep_terms(mixture, scored.answers);
  return scored;
}

std::vector<Mixture> Run::proposals(
    const std::function<std::vector<Mixture>()>& propose) {
  if (const auto record = replay("proposals", {})) {
    const std::string where = journal_->where();
    return checked_record(where, [&] {
      std::vector<Mixture> sets;
      for (const ordered_json& set : record->at("sets")) {
        sets.push_back(set.get<Mixture>());
        if (!sets.back().empty() && std::ranges::max(sets.back()) < size()) {
          continue;
        }
        throw Error(where + ": names a checkpoint that there is not");
      }
      if (sets.empty()) throw Error(where + ": names no set");
      return sets;
    });
  }
  std::vector<Mixture> sets = propose();
  append("proposals", {}, {{"sets", sets}});
  return sets;
}

Trial Run::compare(Candidate candidate, const Mixture& mixture,
                   const Incumbent& incumbent, const Criterion& criterion,
                   Progress& progress) {
  Trial trial;
  const auto record = replay("candidate", mixture);
  if (record) {
    const std::string where = journal_->where();
    trial = checked_record(where,
                           [&] { return read_trial(panel_, *record, where); });
    progress.add(panel_.examples());
  } else {
    const Clock::time_point begin = Clock::now();
    trial = try_candidate(panel_, former_.form(mixture), incumbent, criterion,
                          options_.full, progress);
    trial.seconds = seconds_since(begin);
  }
  describe(trial, incumbent, candidate);
  if (!record) {
    ordered_json made = candidate_json(candidate);
    made.update(trial_record(panel_, trial));
    append("candidate", mixture, made);
  }
  if (trial.score) {
    remember(mixture, *trial.score);
    keep_terms(mixture, trial.answers);
  }
  if (options_.on_candidate) options_.on_candidate(candidate);
  return trial;
}

void Run::describe(const Trial& trial, const Incumbent& incumbent,
                   Candidate& candidate) const {
  candidate.accepted = trial.accepted;
  candidate.seen = trial.count_seen();
  candidate.count = incumbent.score.count;
  candidate.seconds = trial.seconds;
  if (panel_.primary.counts() && panel_.primary.examples() > 0) {
    candidate.gains = trial.gains;
    candidate.losses = trial.losses;
    if (candidate.seen == candidate.count && !panel_.primary.weighted()) {
      candidate.p_value = mcnemar_p_value(trial.losses, trial.gains);
    }
  }
  for (size_t i = 0; i < trial.guards.size(); ++i) {
    if (trial.guards[i].accepted || !candidate.guard.empty()) continue;
    candidate.guard = panel_.guards[i]->dataset();
  }
  if (trial.score) candidate.value = trial.score->value;
  candidate.best = trial.accepted ? trial.score->value : incumbent.score.value;
}

void Run::keep_terms(const Mixture& mixture, const Answers& answers) {
  if (options_.optimism_folds > 0) terms_[mixture] = answers.terms;
}

const std::vector<double>* Run::terms(const Mixture& mixture) const {
  const auto found = terms_.find(mixture);
  return found == terms_.end() ? nullptr : &found->second;
}

std::optional<Score> Run::known(const Mixture& mixture) const {
  const auto found = known_.find(mixture);
  if (found == known_.end()) return std::nullopt;
  return found->second;
}

void Run::finish(const Mixture& mixture, const Score& score) {
  if (!replay("result", mixture)) {
    append("result", mixture, score_record(score));
  }
}

}  // namespace soup
