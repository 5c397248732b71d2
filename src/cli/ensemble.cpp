#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/judges.h"
#include "cli/options.h"
#include "cli/scores.h"
#include "cli/selection.h"
#include "cli/steps.h"
#include "soup/error.h"

namespace soup {
namespace {

using Clock = std::chrono::steady_clock;

class Ensemble : public Task {
 public:
  explicit Ensemble(CLI::App& app) {
    checkpoints_.add_to(app);
    eval_.add_to(app, true);
    describe_devices(app);
    CLI::Option* greedy =
        app.add_flag("--greedy", greedy_,
                     "choose the members, as soup greedy chooses ingredients");
    for (CLI::Option* option : selection_.add_to(app, search_)) {
      option->needs(greedy);
    }
  }

  int run(const Output& output) override {
    const Clock::time_point begin = Clock::now();
    judges_.emplace(JudgeArguments{.eval = eval_, .spreads = true});
    const Search& search =
        greedy_ ? selection_.choose(search_) : find_search("uniform");
    if (!eval_.by_command.command.empty()) {
      throw UsageError("--eval-cmd gives scores, an ensemble needs logits");
    }
    const auto specs = eval_.specs(false);
    auto members = checkpoints_.collect();
    const auto names = ShortNames::of_all(members);
    if (eval_.val.empty()) {
      check_ready(*members.front());
      if (!judges_->leads()) return 0;
    } else {
      models_ = std::move(members);
      eval_.options.logits = true;
      judges_->make(specs, *models_.front());
      if (!judges_->leads()) {
        judges_->take_part(kName, models_, {});
        return 0;
      }
      scoring_.emplace(kName, models_, judges_->panel(), judges_->others());
      std::vector<size_t> all(models_.size());
      std::iota(all.begin(), all.end(), size_t{0});
      members = pass(all, 0);
    }
    const auto judge =
        make_logits_evaluator(*members.front(), name_of(0), metric());
    if (!selection_.scores.empty()) {
      search_.scores =
          known_scores(selection_.scores, members, *judge, metric());
    }
    Steps steps(output, names, judge->counts());
    steps.watch(search_);
    search_.progress = true;
    search_.recipe.allow_nonfinite = true;  // they count as wrong
    SearchResult result = search.run(members, judge.get(), search_);
    steps.summarize();
    if (!result.score) {
      result.score = judge->evaluate(*mean(result.recipe, members)).value();
    }
    report(result, std::chrono::duration<double>(Clock::now() - begin).count(),
           output);
    print_table(output, {{""}, {"members", 0, true}, {"", 0, true}},
                rows(result, output));
    return 0;
  }

  bool spreads() const override { return true; }

 private:
  static constexpr const char* kName = "ensemble";

  const std::string& metric() const { return eval_.options.metric; }

  // Without --val the files themselves must say what models say.
  void check_ready(const Checkpoint& first) const {
    if (!holds_logits(first)) {
      throw UsageError(
          "no held-out data: give --val NAME (soup list datasets), or files "
          "that soup eval --logits wrote");
    }
    if (!eval_.test.empty()) {
      throw UsageError("--test: files of logits are of one data set");
    }
  }

  std::string name_of(size_t set) const {
    const auto judges = judges_->all();
    return set < judges.size() ? judges[set]->dataset() : "logits";
  }

  /// Logits of `models`, by their positions, on one data set.
  std::vector<CheckpointPtr> pass(std::span<const size_t> models, size_t set) {
    const auto progress = evaluation_progress(
        "logits", {judges_->all()[set].get()}, std::ssize(models));
    std::vector<Scoring::Item> items;
    for (const size_t model : models) items.push_back({model, set});
    scoring_->expect(items, true);
    std::vector<CheckpointPtr> made;
    for (const Scoring::Item& item : items) {
      made.push_back(scoring_->logits(item, progress.get()));
    }
    return made;
  }

  /// The ensemble that `recipe` describes.
  static CheckpointPtr mean(const Recipe& recipe,
                            std::span<const CheckpointPtr> members) {
    std::vector<const Checkpoint*> chosen;
    for (const Ingredient& ingredient : recipe.ingredients) {
      chosen.push_back(find(members, ingredient.path)->get());
    }
    return soup_in_memory(recipe, chosen);
  }

  static std::span<const CheckpointPtr>::iterator find(
      std::span<const CheckpointPtr> all, const std::filesystem::path& path) {
    return std::find_if(all.begin(), all.end(), [&](const CheckpointPtr& one) {
      return one->path() == path;
    });
  }

  static void report(const SearchResult& result, double seconds,
                     const Output& output) {
    const Score& score = *result.score;
    output.object(
        {{"kind", "ensemble"},
         {"ingredients", describe_ingredients(result)},
         {"dataset", score.dataset},
         {"metric", score.metric},
         {"value", score.value},
         {"count", score.count},
         {"correct", score.correct ? ordered_json(*score.correct) : nullptr},
         {"interval", interval_of(score)},
         {"best_single", result.best_single
                             ? ordered_json(result.best_single->value)
                             : nullptr},
         {"seconds", seconds}});
  }

  /// What best single and ensemble score; on --test they are scored now.
  std::vector<std::vector<std::string>> rows(const SearchResult& result,
                                             const Output& output) {
    std::vector<std::vector<std::string>> all;
    const std::string count = std::to_string(result.recipe.ingredients.size());
    if (result.best_single) {
      all.push_back({"best single on " + result.best_single->dataset, "1",
                     score_text(*result.best_single)});
    }
    all.push_back({"ensemble on " + result.score->dataset, count,
                   score_text(*result.score)});
    for (size_t set = 1; set < judges_->all().size(); ++set) {
      std::vector<size_t> which;
      for (const Ingredient& ingredient : result.recipe.ingredients) {
        const std::span<const CheckpointPtr> models(models_);
        which.push_back(static_cast<size_t>(find(models, ingredient.path) -
                                            models.begin()));
      }
      const std::vector<CheckpointPtr> chosen = pass(which, set);
      const auto judge =
          make_logits_evaluator(*chosen.front(), name_of(set), metric());
      const Score score = judge->evaluate(*mean(result.recipe, chosen)).value();
      output.object(describe_score("ensemble", score));
      all.push_back({"ensemble on " + score.dataset, count, score_text(score)});
    }
    return all;
  }

  CheckpointArguments checkpoints_;
  EvalArguments eval_;
  SelectionArguments selection_;
  SearchOptions search_;
  bool greedy_ = false;
  std::optional<Judges> judges_;
  std::vector<CheckpointPtr> models_;
  std::optional<Scoring> scoring_;  ///< last: it uses those above
};

}  // namespace

std::unique_ptr<Task> make_ensemble(CLI::App& app) {
  return std::make_unique<Ensemble>(app);
}

}  // namespace soup
