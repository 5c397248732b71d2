#include <array>
#include <cmath>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/judges.h"
#include "cli/soup_command.h"
#include "core/file.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

class Interpolate : public Task {
 public:
  explicit Interpolate(CLI::App& app) {
    arguments_.checkpoints.add_to(app);
    app.add_option("--alpha", alphas_,
                   "shares of the second model: 0 is the first, 1 the second "
                   "(default with --val: 0,0.1,...,1)")
        ->delimiter(',')
        ->check(CLI::Number)
        ->allow_extra_args(false);
    arguments_.eval.add_to(app, false);
    describe_devices(app);
    arguments_.output.add_to(app);
    out_ = app.get_option("--output");
    app.add_flag("--best", best_,
                 "with -o: write the point with the best score on the first "
                 "--val")
        ->needs(out_);
    arguments_.recipe.add_to(app);
    arguments_.mix.add_to(app);
    arguments_.batch_norm.add_to(app);
  }

  int run(const Output& output) override {
    const bool writes = out_->count() > 0;
    const EvalArguments& eval = arguments_.eval;
    Judges judges({.eval = eval,
                   .spreads = true,
                   .folder = folder_of(arguments_.output.out)});
    const bool scores = judges.has_held_out();
    check(writes, scores);
    const auto specs = eval.specs(false);
    const auto bn_data = arguments_.batch_norm.spec(eval);
    if (!scores && !judges.leads()) return 0;
    if (writes) arguments_.recipe.check(arguments_.output);
    const auto ends = arguments_.checkpoints.collect();
    if (ends.size() != 2) {
      throw UsageError("wants two different checkpoints, found " +
                       std::to_string(ends.size()));
    }
    const Recipe rest =
        arguments_.mix.make(arguments_.checkpoints.options.open);
    const std::array<const Checkpoint*, 2> both = {ends[0].get(),
                                                   ends[1].get()};
    const auto recipe_at = [&](double alpha) {
      return between(rest, *ends[0], *ends[1], alpha);
    };
    if (arguments_.recipe.dry_run) {
      if (!judges.leads()) return 0;
      print_plan(recipe_at(alphas_.empty() ? 0.5 : alphas_.front()), both,
                 output);
      return 0;
    }
    make_plan(recipe_at(0.5), both);  // every mistake before anything is scored
    if (scores) judges.make(specs, *ends[0]);
    batch_norm_ = BatchNormArguments::make(
        bn_data, *ends[0], eval,
        scores ? judges.device() : eval.options.device);
    if (!scores) return write(recipe_at(alphas_.front()), both, output);
    if (!judges.leads()) {
      judges.take_part(kName, ends,
                       {.batch_norm = batch_norm_.get(), .recipe = rest});
      return 0;
    }
    if (alphas_.empty()) {
      for (int tenth = 0; tenth <= 10; ++tenth) alphas_.push_back(tenth / 10.0);
    }
    const auto points = score(ends, rest, judges, output);
    print_all(points, output);
    if (!writes) return 0;
    const double chosen =
        best_ ? points[best_point(points)].alpha : alphas_.front();
    return write(recipe_at(chosen), both, output);
  }

  bool spreads() const override { return true; }

 private:
  static constexpr const char* kName = "interpolate";

  std::vector<CurvePoint> score(std::span<const CheckpointPtr> ends,
                                const Recipe& rest, const Judges& judges,
                                const Output& output) const {
    const std::vector<Evaluator*> sets = judges.panel();
    Scoring scoring(kName, ends, sets, judges.others(), rest,
                    batch_norm_.get());
    const auto progress = evaluation_progress(
        "interpolating", {sets.begin(), sets.end()}, std::ssize(alphas_));
    return curve(scoring, alphas_, sets.size(), progress.get(),
                 [&](const CurvePoint& point) { print(point, output); });
  }

  void check(bool writes, bool scores) const {
    for (double alpha : alphas_) {
      if (!std::isfinite(alpha)) throw UsageError("--alpha: must be finite");
    }
    if (!scores && !writes) {
      throw UsageError(
          "nothing to do: give --val for the curve, or --alpha and -o to write "
          "one point of it");
    }
    if (best_ && !scores) throw UsageError("--best: needs --val");
    if (writes && !best_ && alphas_.size() != 1) {
      throw UsageError("-o writes one point: give one --alpha, or --best");
    }
  }

  static void print(const CurvePoint& point, const Output& output) {
    for (const Score& score : point.scores) {
      ordered_json object = {{"kind", "curve"}, {"alpha", point.alpha}};
      ordered_json rest = describe_score("", score);
      rest.erase("kind");
      rest.erase("path");
      object.update(rest);
      output.object(object);
    }
  }

  static void print_all(std::span<const CurvePoint> points,
                        const Output& output) {
    std::vector<Column> columns = {{"alpha", 0, true}};
    for (const Score& score : points.front().scores) {
      columns.push_back({score.dataset, 0, true});
    }
    std::vector<std::vector<std::string>> rows;
    for (const CurvePoint& point : points) {
      rows.push_back({short_number(point.alpha)});
      for (const Score& score : point.scores) {
        rows.back().push_back(score_text(score));
      }
    }
    print_table(output, columns, rows);
  }

  int write(const Recipe& recipe, std::span<const Checkpoint* const> both,
            const Output& output) const {
    const OutputArguments& out = arguments_.output;
    const double alpha = recipe.ingredients.back().weight;
    const bool is_mixture = alpha != 0 && alpha != 1;
    const MakeResult made = write_soup(
        recipe, both, out.out, out.write_options(both.front()->path()),
        is_mixture ? batch_norm_.get() : nullptr);
    arguments_.recipe.write(recipe);
    ordered_json object = {{"kind", "soup"},
                           {"search", "interpolate"},
                           {"output", out.out.string()},
                           {"alpha", alpha}};
    if (batch_norm_ && is_mixture) {
      object["bn_data"] = arguments_.batch_norm.data;
    }
    object["bytes_read"] = made.bytes_read;
    object["bytes_written"] = made.bytes_written;
    output.object(object);
    output.line(out.out.string() + ": alpha " + short_number(alpha) +
                ", read " + bytes_text(made.bytes_read) + ", wrote " +
                bytes_text(made.bytes_written));
    return 0;
  }

  SoupArguments arguments_;
  std::unique_ptr<BatchNormStatistics> batch_norm_;  ///< null: averaged
  std::vector<double> alphas_;
  bool best_ = false;
  CLI::Option* out_ = nullptr;
};

}  // namespace

std::unique_ptr<Task> make_interpolate(CLI::App& app) {
  return std::make_unique<Interpolate>(app);
}

}  // namespace soup
