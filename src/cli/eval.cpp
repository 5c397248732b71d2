#include "cli/check_data.h"
#include "cli/class_shares.h"
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/judges.h"
#include "cli/options.h"
#include "cli/pair.h"
#include "cli/predictions.h"
#include "cli/shifts.h"
#include "core/file.h"
#include "soup/error.h"

namespace soup {
namespace {

class Eval : public Task {
 public:
  explicit Eval(CLI::App& app) {
    checkpoints_.add_to(app);
    eval_.add_to(app, false);
    describe_devices(app);
    app.add_option("--predictions", predictions_,
                   "write what the model says of each example to this file: "
                   "JSON Lines, or a NumPy array when it ends in .npy");
    app.add_option("--logits", logits_,
                   "write logits and labels to this safetensors file");
    app.add_flag("--compare", compare_,
                 "test whether two checkpoints differ (McNemar, exact)");
    app.add_flag("--per-class", per_class_,
                 "print what share of each class is right, too");
    app.add_flag("--check-data", check_data_,
                 "only look whether the data sets are there and whole");
    app.add_flag("--force", force_, "replace existing files");
  }

  int run(const Output& output) override {
    Judges judges({.eval = eval_, .spreads = true});
    const auto specs = eval_.specs(true);
    if (check_data_) return judges.leads() ? check_data(specs, output) : 0;
    check_files(specs.size());
    const auto checkpoints = checkpoints_.collect();
    check_number(checkpoints.size());
    eval_.options.logits = keeps();
    judges.make(specs, *checkpoints.front());
    if (compare_) check_counts(judges.all());
    if (per_class_) check_examples(judges.all());
    if (!judges.leads()) {
      judges.take_part(kName, checkpoints, {});
      return 0;
    }
    score(checkpoints, judges, Shifts(specs), output);
    const Evaluator& first = *judges.all().front();
    if (!predictions_.empty()) {
      kept_.write_predictions(predictions_, force_, first);
    }
    if (!logits_.empty()) kept_.write_logits(logits_, force_, first);
    return 0;
  }

  bool spreads() const override { return true; }

 private:
  static constexpr const char* kName = "eval";

  bool keeps() const { return !predictions_.empty() || !logits_.empty(); }

  void check_files(size_t datasets) const {
    if (!keeps()) return;
    if (datasets != 1) {
      throw UsageError("--predictions and --logits need exactly one --val");
    }
    if (!predictions_.empty()) check_writable(predictions_, force_);
    if (!logits_.empty()) check_output(logits_, {.force = force_});
  }

  void check_number(size_t checkpoints) const {
    if (checkpoints > 1 && keeps()) {
      throw UsageError("--predictions and --logits describe one checkpoint, " +
                       std::to_string(checkpoints) + " were given");
    }
    if (compare_ && checkpoints != 2) {
      throw UsageError("--compare wants two checkpoints, " +
                       std::to_string(checkpoints) + " were given");
    }
  }

  static void check_counts(
      std::span<const std::unique_ptr<Evaluator>> evaluators) {
    for (const auto& evaluator : evaluators) {
      if (evaluator->counts() && evaluator->examples() > 0) continue;
      throw UsageError(
          "--compare needs a metric that counts examples, such as top1, and "
          "--val");
    }
  }

  static void check_examples(
      std::span<const std::unique_ptr<Evaluator>> evaluators) {
    for (const auto& evaluator : evaluators) {
      if (evaluator->examples() > 0) continue;
      throw UsageError("--per-class needs --val: " + evaluator->dataset() +
                       " tells nothing of single examples");
    }
  }

  void score(std::span<const CheckpointPtr> checkpoints, const Judges& judges,
             const Shifts& shifts, const Output& output) {
    const std::vector<Evaluator*> evaluators = judges.panel();
    Scoring scoring(kName, checkpoints, evaluators, judges.others());
    std::vector<Scoring::Item> items;
    for (size_t c = 0; c < checkpoints.size(); ++c) {
      for (size_t i = 0; i < evaluators.size(); ++i) items.push_back({c, i});
    }
    scoring.expect(items, !logits_.empty());
    const auto progress =
        evaluation_progress("scoring", {evaluators.begin(), evaluators.end()},
                            std::ssize(checkpoints));
    std::vector<Column> columns = {{"checkpoint", 0, false}};
    for (const Evaluator* e : evaluators) {
      columns.push_back({e->dataset(), 0, true});
    }
    if (shifts.any()) columns.push_back({"mean of shifts", 0, true});
    std::vector<std::vector<std::string>> rows;
    std::vector<Score> scores;  // of one checkpoint
    std::vector<Pair> pairs;
    if (compare_) pairs = make_pairs(checkpoints, evaluators);
    for (const Scoring::Item& item : items) {
      const auto& path = checkpoints[item.checkpoint]->path();
      EvaluateOptions options{.progress = progress.get()};
      ClassShares shares;
      std::vector<Watch> watches;
      if (compare_) watches.push_back(pairs[item.set].watch(item.checkpoint));
      if (!predictions_.empty()) watches.push_back(kept_.watch());
      if (per_class_) watches.push_back(shares.watch());
      options.watch = [&](std::span<const Verdict> batch) {
        for (const Watch& watch : watches) watch(batch);
        return true;
      };
      if (!logits_.empty()) options.logits = kept_.logits_watch();
      const Score result = scoring.score(item, options);
      output.object(describe_score(path, result));
      if (per_class_) shares.print(path, result.dataset, output);
      if (item.set == 0) {
        rows.push_back({path.string()});
        scores.clear();
      }
      rows.back().push_back(score_text(result));
      scores.push_back(result);
      if (!shifts.any() || scores.size() < evaluators.size()) continue;
      output.object(shifts.describe(path, scores));
      rows.back().push_back(score_text(shifts.mean(scores)));
    }
    print_table(output, columns, rows);
    if (compare_) print_pairs(pairs, output);
  }

  std::vector<Pair> make_pairs(std::span<const CheckpointPtr> checkpoints,
                               std::span<Evaluator* const> evaluators) const {
    std::vector<Pair> pairs;
    for (const Evaluator* evaluator : evaluators) {
      pairs.emplace_back(checkpoints[0]->path().string(),
                         checkpoints[1]->path().string(), evaluator->dataset(),
                         eval_.options.metric);
    }
    return pairs;
  }

  static void print_pairs(const std::vector<Pair>& pairs,
                          const Output& output) {
    std::vector<std::vector<std::string>> rows;
    for (const Pair& pair : pairs) {
      const ordered_json found = pair.describe();
      output.object(found);
      rows.push_back({found["dataset"].get<std::string>(),
                      found["only_a"].dump(), found["only_b"].dump(),
                      short_number(found["p_value"].get<double>())});
    }
    output.line("");
    print_table(output,
                {{"data set"},
                 {"only first right", 0, true},
                 {"only second right", 0, true},
                 {"p-value", 0, true}},
                rows);
  }

  CheckpointArguments checkpoints_;
  EvalArguments eval_;
  std::filesystem::path predictions_;
  std::filesystem::path logits_;
  bool compare_ = false;
  bool per_class_ = false;
  bool check_data_ = false;
  Predictions kept_;
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Task> make_eval(CLI::App& app) {
  return std::make_unique<Eval>(app);
}

}  // namespace soup
