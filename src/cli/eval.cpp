#include "cli/check_data.h"
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/options.h"
#include "cli/pair.h"
#include "cli/predictions.h"
#include "core/file.h"
#include "soup/error.h"

namespace soup {
namespace {

class Eval : public Task {
 public:
  explicit Eval(CLI::App& app) {
    checkpoints_.add_to(app);
    eval_.add_to(app, false);
    app.add_option("--predictions", predictions_,
                   "write what the model says of each example to this file: "
                   "JSON Lines, or a NumPy array when it ends in .npy");
    app.add_option("--logits", logits_,
                   "write logits and labels to this safetensors file");
    app.add_flag("--compare", compare_,
                 "test whether two checkpoints differ (McNemar, exact)");
    app.add_flag("--check-data", check_data_,
                 "only look whether the data sets are there and whole");
    app.add_flag("--force", force_, "replace existing files");
  }

  int run(const Output& output) override {
    const auto specs = eval_.specs(true);
    if (check_data_) return check_data(specs, output);
    check_files(specs.size());
    const auto checkpoints = checkpoints_.collect();
    if (checkpoints.size() > 1 && !(predictions_.empty() && logits_.empty())) {
      throw UsageError("--predictions and --logits describe one checkpoint, " +
                       std::to_string(checkpoints.size()) + " were given");
    }
    if (compare_ && checkpoints.size() != 2) {
      throw UsageError("--compare wants two checkpoints, " +
                       std::to_string(checkpoints.size()) + " were given");
    }
    Predictions predictions;
    EvaluatorOptions options = eval_.options;
    if (!predictions_.empty() || !logits_.empty()) {
      options.logits = predictions.collector();
    }
    std::vector<std::unique_ptr<Evaluator>> evaluators;
    if (!eval_.by_command.command.empty()) {
      evaluators.push_back(make_command_evaluator(eval_.by_command));
    } else {
      evaluators = make_evaluators(specs, *checkpoints.front(), options);
    }
    if (compare_) check_counts(evaluators);
    score(checkpoints, evaluators, output);
    if (!predictions_.empty()) {
      predictions.write_predictions(predictions_, force_, *evaluators.front());
    }
    if (!logits_.empty()) {
      predictions.write_logits(logits_, force_, *evaluators.front());
    }
    return 0;
  }

 private:
  void check_files(size_t datasets) const {
    if (predictions_.empty() && logits_.empty()) return;
    if (datasets != 1) {
      throw UsageError("--predictions and --logits need exactly one --val");
    }
    if (!predictions_.empty()) check_writable(predictions_, force_);
    if (!logits_.empty()) check_output(logits_, {.force = force_});
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

  void score(std::span<const CheckpointPtr> checkpoints,
             std::span<const std::unique_ptr<Evaluator>> evaluators,
             const Output& output) const {
    std::vector<Column> columns = {{"checkpoint", 0, false}};
    for (const auto& e : evaluators) columns.push_back({e->dataset(), 0, true});
    std::vector<std::vector<std::string>> rows;
    std::vector<const Evaluator*> all;
    for (const auto& e : evaluators) all.push_back(e.get());
    const auto progress =
        evaluation_progress("scoring", all, std::ssize(checkpoints));
    std::vector<const Checkpoint*> next;
    for (const CheckpointPtr& c : checkpoints) next.push_back(c.get());
    for (const auto& e : evaluators) e->look_ahead(next);
    std::vector<Pair> pairs;
    if (compare_) pairs = make_pairs(checkpoints, evaluators);
    for (size_t c = 0; c < checkpoints.size(); ++c) {
      const CheckpointPtr& checkpoint = checkpoints[c];
      std::vector<std::string> row = {checkpoint->path().string()};
      for (size_t i = 0; i < evaluators.size(); ++i) {
        EvaluateOptions options{.progress = progress.get()};
        if (compare_) options.watch = pairs[i].watch(c);
        const Score result =
            evaluators[i]->evaluate(*checkpoint, options).value();
        output.object(describe_score(checkpoint->path(), result));
        row.push_back(score_text(result));
      }
      rows.push_back(std::move(row));
    }
    print_table(output, columns, rows);
    if (compare_) print_pairs(pairs, output);
  }

  std::vector<Pair> make_pairs(
      std::span<const CheckpointPtr> checkpoints,
      std::span<const std::unique_ptr<Evaluator>> evaluators) const {
    std::vector<Pair> pairs;
    for (const auto& evaluator : evaluators) {
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
  bool check_data_ = false;
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Task> make_eval(CLI::App& app) {
  return std::make_unique<Eval>(app);
}

}  // namespace soup
