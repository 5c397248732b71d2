#include "search/run.h"

#include <chrono>

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

/// Reads one record of the journal.
class Reader {
 public:
  Reader(const ordered_json& record, const Evaluator& evaluator,
         std::string where)
      : record_(record), evaluator_(evaluator), where_(std::move(where)) {}

  Score score() const {
    Score score{.dataset = evaluator_.dataset(),
                .metric = get_as<std::string>(record_, "metric", where_),
                .value = read_number(record_, "value", where_),
                .count = get_as<int64_t>(record_, "count", where_),
                .correct = {},
                .higher_is_better = evaluator_.higher_is_better(),
                .seconds = get_as<double>(record_, "seconds", where_)};
    if (evaluator_.counts()) {
      score.correct = get_as<int64_t>(record_, "correct", where_);
    }
    if (!record_.at("standard_error").is_null()) {
      score.standard_error = read_number(record_, "standard_error", where_);
    }
    return score;
  }

  Answers answers() const {
    return read_answers(record_, evaluator_.examples(), evaluator_.counts(),
                        where_);
  }

  Trial trial() const {
    Trial trial;
    trial.accepted = get_as<bool>(record_, "accepted", where_);
    if (!record_.at("value").is_null()) trial.score = score();
    trial.answers = answers();
    const auto count = static_cast<size_t>(evaluator_.examples());
    trial.seen = record_.contains("seen_examples")
                     ? read_bits(record_, "seen_examples", count, where_)
                     : std::vector<bool>(count, true);
    if (!record_.at("gains").is_null()) {
      trial.gains = get_as<int64_t>(record_, "gains", where_);
      trial.losses = get_as<int64_t>(record_, "losses", where_);
    }
    trial.seconds = get_as<double>(record_, "seconds", where_);
    return trial;
  }

 private:
  const ordered_json& record_;
  const Evaluator& evaluator_;
  std::string where_;
};

// A record may be well-formed and yet not say what is asked of it.
template <typename Read>
auto checked(const std::string& where, const Read& read) {
  try {
    return read();
  } catch (const nlohmann::json::exception& e) {
    throw Error(where + ": " + printable(e.what()) + "; --fresh starts anew");
  }
}

ordered_json score_record(const Score& score) {
  return {{"dataset", score.dataset},
          {"metric", score.metric},
          {"value", number_json(score.value)},
          {"count", score.count},
          {"correct", score.correct ? ordered_json(*score.correct)
                                    : ordered_json(nullptr)},
          {"standard_error", score.standard_error
                                 ? number_json(*score.standard_error)
                                 : ordered_json(nullptr)},
          {"seconds", score.seconds}};
}

ordered_json trial_record(const Candidate& candidate, const Trial& trial,
                          bool counts) {
  ordered_json record = candidate_json(candidate);
  if (trial.score) {
    record.update(score_record(*trial.score));
    record["seconds"] = trial.seconds;
  }
  const bool whole = trial.count_seen() == std::ssize(trial.seen);
  if (!whole) record["seen_examples"] = bits_json(trial.seen);
  record.update(answers_json(trial.answers, counts));
  return record;
}

}  // namespace

Run::Run(std::string_view search, std::span<const CheckpointPtr> checkpoints,
         Evaluator& evaluator, const SearchOptions& options)
    : checkpoints_(checkpoints), evaluator_(evaluator), options_(options) {
  if (options.run_dir.empty()) return;
  journal_.emplace(options.run_dir, options.fresh);
  const ordered_json now = identity_of(search, checkpoints, evaluator, options);
  const auto then = journal_->replay();
  if (!then) {
    journal_->append(now);
    return;
  }
  const auto found =
      checked(journal_->where(), [&] { return differences(*then, now); });
  if (!found.empty()) {
    throw Error(options.run_dir.string() +
                ": was begun with other inputs: " + join(found, ", ") +
                "; --fresh starts anew, --run-dir keeps both");
  }
  if (journal_->left() > 0) {
    log::info(options.run_dir.string() + ": goes on after " +
              std::to_string(journal_->left()) + " records");
  }
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

Incumbent Run::score(size_t index, Progress& progress) {
  if (const auto record = replay("score", {index})) {
    const Reader reader(*record, evaluator_, journal_->where());
    progress.add(std::max<int64_t>(evaluator_.examples(), 1));
    return checked(journal_->where(), [&] {
      return Incumbent{reader.score(), reader.answers()};
    });
  }
  Incumbent scored = score_fully(evaluator_, checkpoint(index), progress);
  ordered_json record = {{"path", checkpoint(index).path().string()}};
  record.update(score_record(scored.score));
  record.update(answers_json(scored.answers, evaluator_.counts()));
  append("score", {index}, record);
  return scored;
}

Trial Run::compare(Candidate candidate, const Mixture& mixture,
                   const std::function<const Checkpoint&()>& form,
                   const Incumbent& incumbent, const Criterion& criterion,
                   Progress& progress) {
  const auto record = replay("candidate", mixture);
  Trial trial;
  if (record) {
    const Reader reader(*record, evaluator_, journal_->where());
    trial = checked(journal_->where(), [&] { return reader.trial(); });
    progress.add(std::max<int64_t>(evaluator_.examples(), 1));
  } else {
    const Clock::time_point begin = Clock::now();
    trial = try_candidate(evaluator_, form(), incumbent, criterion,
                          options_.full, progress);
    trial.seconds = seconds_since(begin);
  }
  describe(trial, incumbent, candidate);
  if (!record) {
    append("candidate", mixture,
           trial_record(candidate, trial, evaluator_.counts()));
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
  if (evaluator_.counts() && evaluator_.examples() > 0) {
    candidate.gains = trial.gains;
    candidate.losses = trial.losses;
  }
  if (trial.score) candidate.value = trial.score->value;
  candidate.best = trial.accepted ? trial.score->value : incumbent.score.value;
}

void Run::finish(const Mixture& mixture, const Score& score) {
  if (!replay("result", mixture)) {
    append("result", mixture, score_record(score));
  }
}

}  // namespace soup
