#include "search/hands.h"

#include <algorithm>

#include "search/remote.h"

namespace soup {
namespace {

constexpr Patience kPatience = {.silence = std::chrono::seconds(10),
                                .arrival = std::chrono::seconds(30)};
// So many parts for each hand: few loads of the weights, yet nobody waits long
// for the last, and little is lost with one that has gone.
constexpr int64_t kPartsOfHand = 4;

std::unique_ptr<Team> gather(const Panel& panel,
                             std::span<const CheckpointPtr> checkpoints,
                             const SearchOptions& options,
                             const nlohmann::ordered_json& identity) {
  const Others& others = options.others;
  if (!others.any()) return nullptr;
  std::vector<std::unique_ptr<Hand>> hands;
  const auto add_local = [&](const Panel& own) {
    hands.push_back(std::make_unique<LocalHand>(own, checkpoints, options));
  };
  add_local(panel);
  for (const std::vector<Evaluator*>& device : others.devices) {
    add_local({*device.front(), std::span(device).subspan(1)});
  }
  for (int64_t rank = 1; rank < others.processes; ++rank) {
    hands.push_back(std::make_unique<RemoteHand>(*others.store, rank, panel,
                                                 identity, kPatience));
  }
  return std::make_unique<Team>(std::move(hands));
}

}  // namespace

Hands::Hands(const Panel& panel, std::span<const CheckpointPtr> checkpoints,
             const SearchOptions& options,
             const nlohmann::ordered_json& identity)
    : checkpoints_(checkpoints),
      panel_(panel),
      alone_(panel, checkpoints, options),
      team_(gather(panel, checkpoints, options, identity)) {}

void Hands::look_ahead(const std::vector<Job>& comparisons) {
  if (team_) {
    team_->want(comparisons);
  } else {
    expected_ = comparisons;
  }
}

void Hands::look_ahead(std::span<const Whole> wholes) {
  std::vector<Job> jobs;
  std::vector<const Checkpoint*> files;
  for (const Whole& whole : wholes) {
    if (team_) {
      const std::vector<Job> parts = jobs_of(whole);
      jobs.insert(jobs.end(), parts.begin(), parts.end());
    } else if (whole.mixture.size() == 1) {
      files.push_back(checkpoints_[whole.mixture.front()].get());
    }
  }
  if (team_) team_->want(jobs);
  if (!files.empty()) panel_.primary.look_ahead(files);
}

// Where there are models enough for all hands, each is one part.
std::vector<Job> Hands::jobs_of(const Whole& whole) const {
  const int64_t models = std::ssize(checkpoints_);
  const int64_t wanted = (kPartsOfHand * team_->size() + models - 1) / models;
  std::vector<Job> jobs;
  for (const Part& part : cut(panel_, whole.set, wanted, whole.logits)) {
    jobs.push_back(
        {.mixture = whole.mixture, .weights = whole.weights, .part = part});
  }
  return jobs;
}

Score Hands::evaluate(Whole whole, const EvaluateOptions& options) {
  if (team_) {
    whole.logits = static_cast<bool>(options.logits);
    return evaluate_together(whole, options);
  }
  const Checkpoint& weights =
      alone_.former().form(whole.mixture, whole.weights);
  return panel_.set(whole.set).evaluate(weights, options).value();
}

Score Hands::evaluate_together(const Whole& whole,
                               const EvaluateOptions& options) {
  const std::vector<Job> jobs = jobs_of(whole);
  team_->need(jobs);
  std::vector<Verdict> verdicts;
  std::optional<Score> score;
  double seconds = 0;
  for (const Job& job : jobs) {
    const auto part = std::get<PartOutcome>(team_->take(job));
    if (options.logits) options.logits(part.verdicts, part.logits);
    if (options.watch && !part.score) options.watch(part.verdicts);
    if (options.progress != nullptr) {
      options.progress->add(std::max<int64_t>(std::ssize(part.verdicts), 1));
    }
    verdicts.insert(verdicts.end(), part.verdicts.begin(), part.verdicts.end());
    seconds += part.seconds;
    score = part.score;
  }
  if (score) return *score;
  score = panel_.set(whole.set).summarize(
      checkpoints_[whole.mixture.back()]->path(), std::move(verdicts));
  score->seconds = seconds;
  return *score;
}

CheckpointPtr Hands::logits(const Mixture& mixture, size_t set,
                            Progress* progress) {
  const Evaluator& evaluator = panel_.set(set);
  if (evaluator.classes() == 0) return nullptr;
  std::vector<float> all;
  EvaluateOptions options{.progress = progress};
  options.logits = [&](std::span<const Verdict>, std::span<const float> rows) {
    all.insert(all.end(), rows.begin(), rows.end());
  };
  evaluate({.mixture = mixture, .set = set}, options);
  return make_logits(checkpoints_[mixture.back()]->path(), all, evaluator);
}

PartOutcome Hands::look_at(const Mixture& mixture, const Part& part) {
  const Job job = {.mixture = mixture, .part = part};
  return std::get<PartOutcome>(team_ ? team_->take(job)
                                     : alone_.perform(job, {}));
}

Trial Hands::compare(const Job& job, Progress& progress) {
  if (!team_) {
    const auto next = std::find_if(
        expected_.begin(), expected_.end(),
        [&](const Job& other) { return other.mixture != job.mixture; });
    return alone_.compare(
        job, next == expected_.end() ? Mixture() : next->mixture, {}, progress);
  }
  auto trial = std::get<Trial>(team_->take(job));
  progress.add(panel_.examples());
  return trial;
}

}  // namespace soup
