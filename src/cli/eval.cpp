#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/options.h"
#include "cli/predictions.h"
#include "core/log.h"
#include "soup/error.h"

namespace soup {
namespace {

class Eval : public Task {
 public:
  explicit Eval(CLI::App& app) {
    checkpoints_.add_to(app);
    eval_.add_to(app, false);
    app.add_option("--predictions", predictions_,
                   "write one JSON line per example to this file");
    app.add_option("--logits", logits_,
                   "write logits and labels to this safetensors file");
    app.add_flag("--force", force_, "replace existing files");
  }

  int run(const Output& output) override {
    const auto specs = eval_.specs(true);
    check_files(specs.size());
    const auto checkpoints = checkpoints_.collect();
    if (checkpoints.size() > 1 && !(predictions_.empty() && logits_.empty())) {
      throw UsageError("--predictions and --logits describe one checkpoint, " +
                       std::to_string(checkpoints.size()) + " were given");
    }
    Predictions predictions;
    EvaluatorOptions options = eval_.options;
    if (!predictions_.empty() || !logits_.empty()) {
      options.logits = predictions.collector();
    }
    std::vector<std::unique_ptr<Evaluator>> evaluators;
    if (!eval_.command.empty()) {
      evaluators.push_back(
          make_command_evaluator(eval_.command, eval_.lower_is_better, "."));
    } else {
      evaluators = make_evaluators(specs, *checkpoints.front(), options);
    }
    score(checkpoints, evaluators, output);
    if (!predictions_.empty()) predictions.write_lines(predictions_, force_);
    if (!logits_.empty()) predictions.write_logits(logits_, force_);
    return 0;
  }

 private:
  void check_files(size_t datasets) const {
    if (predictions_.empty() && logits_.empty()) return;
    if (datasets != 1) {
      throw UsageError("--predictions and --logits need exactly one --val");
    }
    if (!logits_.empty()) check_output(logits_, {.force = force_});
  }

  static void score(std::span<const CheckpointPtr> checkpoints,
                    std::span<const std::unique_ptr<Evaluator>> evaluators,
                    const Output& output) {
    std::vector<Column> columns = {{"checkpoint", 0, false}};
    for (const auto& e : evaluators) columns.push_back({e->dataset(), 0, true});
    std::vector<std::vector<std::string>> rows;
    std::vector<const Evaluator*> all;
    for (const auto& e : evaluators) all.push_back(e.get());
    const auto progress =
        evaluation_progress("scoring", all, std::ssize(checkpoints));
    for (const CheckpointPtr& checkpoint : checkpoints) {
      std::vector<std::string> row = {checkpoint->path().string()};
      for (const auto& evaluator : evaluators) {
        const Score result =
            evaluator->evaluate(*checkpoint, {.progress = progress.get()})
                .value();
        output.object(describe_score(checkpoint->path(), result));
        row.push_back(score_text(result));
      }
      rows.push_back(std::move(row));
    }
    print_table(output, columns, rows);
  }

  CheckpointArguments checkpoints_;
  EvalArguments eval_;
  std::filesystem::path predictions_;
  std::filesystem::path logits_;
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Task> make_eval(CLI::App& app) {
  return std::make_unique<Eval>(app);
}

}  // namespace soup
