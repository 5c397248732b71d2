#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/json.h"
#include "search/identity.h"
#include "search/learner.h"
#include "search/ranking.h"
#include "search/records.h"
#include "search/searches.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
using Examples = std::vector<int64_t>;

/// Terms of some examples as a score of the same kind as `like`.
Score score_of(const std::vector<double>& terms, Score like) {
  const auto count = static_cast<double>(terms.size());
  like.count = std::ssize(terms);
  like.value = std::accumulate(terms.begin(), terms.end(), 0.0) / count;
  if (like.correct) {
    like.correct = std::count_if(terms.begin(), terms.end(),
                                 [](double term) { return term > 0; });
  }
  double squares = 0;
  for (const double term : terms) {
    squares += (term - like.value) * (term - like.value);
  }
  like.standard_error.reset();
  if (terms.size() > 1) {
    like.standard_error = std::sqrt(squares / (count - 1) / count);
  }
  return like;
}

ordered_json learning_json(const Learning& learning) {
  return {{"by", name(learning.by)},
          {"affine", learning.affine},
          {"epochs", learning.epochs},
          {"folds", learning.folds},
          {"lr",
           learning.rate > 0 ? ordered_json(learning.rate) : ordered_json("")},
          {"batch-size", learning.batch_size}};
}

/// Learning with cross-fitting: as many lessons as folds, each without the
/// examples of its fold, on which it is then scored after every epoch. The
/// number of epochs with the best score is that of the last lesson, on all
/// examples.
class CrossFit {
 public:
  CrossFit(std::span<const CheckpointPtr> checkpoints, Evaluator& evaluator,
           const SearchOptions& options)
      : evaluator_(evaluator),
        options_(options),
        learning_(options.learning),
        learner_(checkpoints, *evaluator.gradients(), options),
        progress_("learning", work(), Unit::kExamples, options.progress) {
    if (options.run_dir.empty()) return;
    journal_.emplace(options.run_dir, options.fresh);
    ordered_json now =
        identity_of("learned", checkpoints, {evaluator}, options);
    now["options"].update(learning_json(learning_));
    begin_journal(*journal_, options.run_dir, now);
  }

  SearchResult run() {
    const auto count = static_cast<size_t>(evaluator_.examples());
    const auto epochs = static_cast<size_t>(learning_.epochs);
    judge_equal();
    terms_.resize(epochs + 1, std::vector<double>(count));
    losses_.resize(epochs + 1);
    for (int64_t fold = 0; fold < learning_.folds; ++fold) learn_without(fold);
    const size_t best = best_epoch();
    Lesson lesson = learner_.begin();
    Examples all(count);
    std::iota(all.begin(), all.end(), 0);
    for (size_t epoch = 1; epoch <= best; ++epoch) {
      step(lesson, all, {}, learning_.folds, epoch);
    }
    SearchResult result;
    result.recipe = learner_.recipe(lesson);
    result.score = score_at(best);
    if (best == 0) {
      result.reason =
          "learned coefficients are not better than equal ones on examples "
          "that they were not learned on: the soup is the plain average; try "
          "another --by or --lr";
    }
    return result;
  }

 private:
  int64_t work() const {
    const int64_t passes = learning_.epochs * (learning_.folds + 1);
    return evaluator_.examples() * (passes + 1);
  }

  // Examples of a fold, or, with `rest`, all others.
  Examples part(int64_t fold, bool rest) const {
    const std::vector<size_t> order =
        random_order(static_cast<size_t>(evaluator_.examples()), options_.seed);
    Examples chosen;
    for (size_t i = 0; i < order.size(); ++i) {
      const bool inside = static_cast<int64_t>(i) % learning_.folds == fold;
      if (inside != rest) chosen.push_back(static_cast<int64_t>(order[i]));
    }
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }

  void learn_without(int64_t fold) {
    const Examples inside = part(fold, false);
    const Examples rest = part(fold, true);
    Lesson lesson = learner_.begin();
    for (size_t i = 0; i < inside.size(); ++i) {
      terms_[0][static_cast<size_t>(inside[i])] =
          equal_.answers.terms[static_cast<size_t>(inside[i])];
    }
    for (size_t epoch = 1; epoch < terms_.size(); ++epoch) {
      losses_[epoch] += step(lesson, rest, inside, fold, epoch) /
                        static_cast<double>(learning_.folds);
    }
  }

  /// One epoch on `examples`, scored on `apart`. Returns the loss.
  double step(Lesson& lesson, const Examples& examples, const Examples& apart,
              int64_t fold, size_t epoch) {
    const ordered_json which = {{"kind", "epoch"},
                                {"fold", fold},
                                {"epoch", static_cast<int64_t>(epoch)}};
    Answers answers;
    if (const auto record = journal_ ? journal_->replay() : std::nullopt) {
      progress_.add(std::ssize(examples) + std::ssize(apart));
      return checked_record(journal_->where(), [&] {
        const double loss = read_step(*record, which, lesson, apart, answers);
        keep(answers, apart, epoch);
        return loss;
      });
    }
    const uint64_t seed = options_.seed + 1 +
                          static_cast<uint64_t>(fold * learning_.epochs) +
                          epoch;
    const double loss = learner_.epoch(lesson, examples, seed, progress_);
    if (!apart.empty()) {
      answers = judge(*soup_of(lesson), apart).answers;
    }
    if (journal_) {
      ordered_json record = which;
      record["loss"] = number_json(loss);
      record["values"] = values_json(lesson.values);
      record["first"] = values_json(lesson.adam.first);
      record["second"] = values_json(lesson.adam.second);
      record["steps"] = lesson.adam.steps;
      record.update(answers_json(answers, evaluator_.counts()));
      journal_->append(record);
    }
    keep(answers, apart, epoch);
    return loss;
  }

  double read_step(const ordered_json& record, const ordered_json& which,
                   Lesson& lesson, const Examples& apart,
                   Answers& answers) const {
    const std::string where = journal_->where();
    for (const auto& [key, value] : which.items()) {
      if (record.value(key, ordered_json()) != value) {
        throw Error(where +
                    ": is of another step than the run asks for; --fresh "
                    "starts anew");
      }
    }
    const size_t size = lesson.values.size();
    lesson.values = read_values<double>(record, "values", size, where);
    lesson.adam.first = read_values<double>(record, "first", size, where);
    lesson.adam.second = read_values<double>(record, "second", size, where);
    lesson.adam.steps = get_as<int64_t>(record, "steps", where);
    answers =
        read_answers(record, std::ssize(apart), evaluator_.counts(), where);
    return read_number(record, "loss", where);
  }

  void keep(const Answers& answers, const Examples& apart, size_t epoch) {
    for (size_t i = 0; i < apart.size(); ++i) {
      terms_[epoch][static_cast<size_t>(apart[i])] = answers.terms[i];
    }
  }

  CheckpointPtr soup_of(const Lesson& lesson) const {
    CheckpointPtr soup = learner_.soup(learner_.recipe(lesson));
    BatchNormStatistics* const renew = options_.batch_norm;
    return renew == nullptr ? std::move(soup) : renew->recompute(*soup);
  }

  /// Answers come in the order of `which`.
  Incumbent judge(const Checkpoint& soup, const Examples& which) {
    Incumbent judged;
    EvaluateOptions options{.order = which, .progress = &progress_};
    options.watch = [&](std::span<const Verdict> batch) {
      for (const Verdict& verdict : batch) {
        judged.answers.terms.push_back(verdict.term);
        judged.answers.margins.push_back(verdict.margin);
      }
      return true;
    };
    judged.score = evaluator_.evaluate(soup, options).value();
    return judged;
  }

  void judge_equal() {
    const Panel panel{evaluator_};
    if (const auto record = journal_ ? journal_->replay() : std::nullopt) {
      const std::string where = journal_->where();
      equal_ = checked_record(
          where, [&] { return read_incumbent(panel, *record, where); });
      progress_.add(evaluator_.examples());
      return;
    }
    equal_ = judge(*soup_of(learner_.begin()), {});
    if (!journal_) return;
    ordered_json record = {{"kind", "score"}, {"epoch", 0}};
    record.update(incumbent_record(panel, equal_));
    journal_->append(record);
  }

  Score score_at(size_t epoch) const {
    return score_of(terms_[epoch], equal_.score);
  }

  /// The first of those with the best score.
  size_t best_epoch() const {
    size_t best = 0;
    for (size_t epoch = 0; epoch < terms_.size(); ++epoch) {
      LearnedEpoch line{.epoch = static_cast<int64_t>(epoch),
                        .loss = {},
                        .score = score_at(epoch)};
      if (epoch > 0) line.loss = losses_[epoch];
      if (is_better(line.score, score_at(best), true)) best = epoch;
      if (options_.on_epoch) options_.on_epoch(line);
    }
    return best;
  }

  Evaluator& evaluator_;
  const SearchOptions& options_;
  const Learning& learning_;
  Learner learner_;
  Progress progress_;
  std::optional<Journal> journal_;
  Incumbent equal_;                         ///< equal coefficients
  std::vector<std::vector<double>> terms_;  ///< by epoch and example
  std::vector<double> losses_;              ///< by epoch
};

}  // namespace

SearchResult learned(std::span<const CheckpointPtr> checkpoints,
                     Evaluator* evaluator, const SearchOptions& options) {
  if (evaluator->gradients() == nullptr) {
    throw UsageError(evaluator->dataset() +
                     ": this model has no gradients to learn from");
  }
  if (!evaluator->terms()) {
    throw UsageError(
        "learning scores every example apart, which this metric does not give");
  }
  if (evaluator->examples() < options.learning.folds) {
    throw UsageError("--folds: " + std::to_string(options.learning.folds) +
                     " of only " + std::to_string(evaluator->examples()) +
                     " examples");
  }
  return CrossFit(checkpoints, *evaluator, options).run();
}

}  // namespace soup
