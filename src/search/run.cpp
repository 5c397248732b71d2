#include "search/run.h"

#include <algorithm>

#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "search/candidate.h"
#include "search/identity.h"
#include "search/records.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

// What the journal holds is not asked for.
template <typename Asked>
void drop_first(int64_t count, std::vector<Asked>& asked) {
  asked.erase(asked.begin(),
              asked.begin() + std::min(count, std::ssize(asked)));
}

}  // namespace

Run::Run(std::string_view search, std::span<const CheckpointPtr> checkpoints,
         Evaluator& evaluator, const SearchOptions& options)
    : checkpoints_(checkpoints),
      options_(options),
      panel_{evaluator, options.guards} {
  const bool shared = options.others.store != nullptr;
  if (!options.run_dir.empty())
    journal_.emplace(options.run_dir, options.fresh);
  if (journal_ || shared) {
    identity_ = identity_of(search, checkpoints, panel_, options);
  }
  if (journal_) begin_journal(*journal_, options.run_dir, identity_);
  hands_.emplace(panel_, checkpoints_, options_, identity_);
}

void Run::look_ahead(std::vector<Job> comparisons) {
  drop_first(journal_ ? journal_->left() : 0, comparisons);
  hands_->look_ahead(comparisons);
}

void Run::look_ahead(std::vector<Whole> wholes) {
  drop_first(journal_ ? journal_->left() : 0, wholes);
  hands_->look_ahead(wholes);
}

Incumbent Run::score_on(size_t set, const Mixture& mixture,
                        Progress& progress) {
  Incumbent result;
  const auto count = static_cast<size_t>(panel_.set(set).examples());
  result.answers.terms.resize(count);
  result.answers.margins.resize(count);
  EvaluateOptions options{.progress = &progress};
  options.watch = [&](std::span<const Verdict> batch) {
    for (const Verdict& verdict : batch) {
      const auto i = static_cast<size_t>(verdict.example);
      result.answers.terms[i] = verdict.term;
      result.answers.margins[i] = verdict.margin;
    }
    return true;
  };
  result.score = hands_->evaluate({.mixture = mixture, .set = set}, options);
  return result;
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
    scored = score_on(0, mixture, progress);
    for (size_t set = 1; set < panel.sets(); ++set) {
      scored.guards.push_back(score_on(set, mixture, progress));
    }
    ordered_json of;
    if (mixture.size() == 1) {
      of["path"] = checkpoint(mixture.front()).path().string();
    }
    of.update(incumbent_record(panel, scored));
    append("score", mixture, of);
  }
  remember(mixture, scored.score);
  keep_answers(mixture, scored.answers);
  return scored;
}

Proposals Run::proposals(const std::function<Proposals()>& propose) {
  if (const auto record = replay("proposals", {})) {
    Proposals made = checked_record(journal_->where(),
                                    [&] { return read_proposals(*record); });
    for (size_t i = 0; options_.on_score && i < size(); ++i) {
      options_.on_score(checkpoint(i).path(), made.singles[i]);
    }
    return made;
  }
  Proposals made = propose();
  ordered_json singles = ordered_json::array();
  for (const Score& score : made.singles) {
    singles.push_back(score_record(score));
  }
  append("proposals", {}, {{"sets", made.sets}, {"singles", singles}});
  return made;
}

Proposals Run::read_proposals(const ordered_json& record) const {
  const std::string where = journal_->where();
  Proposals made;
  for (const ordered_json& set : record.at("sets")) {
    made.sets.push_back(set.get<Mixture>());
    if (!made.sets.back().empty() &&
        std::ranges::max(made.sets.back()) < size()) {
      continue;
    }
    throw Error(where + ": names a checkpoint that there is not");
  }
  if (made.sets.empty()) throw Error(where + ": names no set");
  for (const ordered_json& score : record.at("singles")) {
    made.singles.push_back(read_score(score, panel_.primary, where));
  }
  if (made.singles.size() != size()) {
    throw Error(where + ": is of another number of checkpoints");
  }
  return made;
}

int64_t Run::sample(size_t index, const Part& part) {
  if (const auto record = replay("sample", {index})) {
    return get_as<int64_t>(*record, "correct", journal_->where());
  }
  const auto verdicts = hands_->look_at({index}, part).verdicts;
  const int64_t correct = std::ranges::count_if(
      verdicts, [](const Verdict& verdict) { return verdict.term > 0; });
  append("sample", {index},
         {{"path", checkpoint(index).path().string()},
          {"every", part.step},
          {"count", std::ssize(verdicts)},
          {"correct", correct}});
  return correct;
}

std::optional<Trial> Run::replay_trial(std::string_view kind, const Job& job,
                                       Progress& progress) {
  const auto record = replay(kind, job.mixture);
  if (!record) return std::nullopt;
  const std::string where = journal_->where();
  Trial trial =
      checked_record(where, [&] { return read_trial(panel_, *record, where); });
  progress.add(panel_.examples());
  return trial;
}

Trial Run::race(const Job& job, Progress& progress) {
  std::optional<Trial> trial = replay_trial("race", job, progress);
  if (!trial) {
    trial = hands_->compare(job, progress);
    ordered_json of = {
        {"path", checkpoint(job.mixture.front()).path().string()}};
    of.update(trial_record(panel_, *trial));
    append("race", job.mixture, of);
  }
  keep(job.mixture, *trial);
  return *std::move(trial);
}

Trial Run::compare(Candidate candidate, const Job& job, Progress& progress) {
  std::optional<Trial> trial = replay_trial("candidate", job, progress);
  const bool replayed = trial.has_value();
  if (!replayed) trial = hands_->compare(job, progress);
  describe(panel_, *trial, *job.incumbent, candidate);
  if (!replayed) {
    ordered_json made = candidate_json(candidate);
    made.update(trial_record(panel_, *trial));
    append("candidate", job.mixture, made);
  }
  keep(job.mixture, *trial);
  if (options_.on_candidate) options_.on_candidate(candidate);
  return *std::move(trial);
}

void Run::keep(const Mixture& mixture, const Trial& trial) {
  if (!trial.score) return;
  remember(mixture, *trial.score);
  keep_answers(mixture, trial.answers);
}

void Run::keep_answers(const Mixture& mixture, const Answers& answers) {
  if (options_.optimism_folds > 0) terms_[mixture] = answers.terms;
  const bool told = panel_.primary.counts() && !answers.margins.empty();
  if (mixture.size() > 1 || !told || options_.full) return;
  // What was announced goes by the place of the first.
  singles_.try_emplace(
      mixture.front(),
      std::make_shared<const std::vector<float>>(answers.margins));
}

Forecast Run::forecast(const Mixture& before, const Mixture& after,
                       size_t index) const {
  const auto single = singles_.find(index);
  if (single == singles_.end()) return {};
  const double sign = after.size() > before.size() ? 1 : -1;
  return {single->second, sign / static_cast<double>(after.size())};
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
