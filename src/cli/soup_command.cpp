#include "cli/soup_command.h"

#include <algorithm>
#include <chrono>

#include "cli/adapters.h"
#include "cli/describe.h"
#include "cli/final_table.h"
#include "cli/judges.h"
#include "cli/scores.h"
#include "cli/steps.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::vector<const Checkpoint*> pointers(
    std::span<const CheckpointPtr> checkpoints) {
  std::vector<const Checkpoint*> out;
  for (const CheckpointPtr& c : checkpoints) out.push_back(c.get());
  return out;
}

Recipe recipe_of_all(Recipe recipe,
                     std::span<const CheckpointPtr> checkpoints) {
  for (const CheckpointPtr& c : checkpoints) {
    recipe.ingredients.push_back({.path = c->path()});
  }
  return recipe;
}

/// One run of a search from its checkpoints to the written soup.
class SoupRun {
 public:
  SoupRun(const Search& search, const SoupArguments& arguments,
          const Output& output)
      : search_(search),
        arguments_(arguments),
        output_(output),
        judges_({.eval = arguments.eval,
                 .spreads = arguments.spreads,
                 .chooses = true,
                 .folder = folder_of(arguments.output.out),
                 .log = arguments.search.run_dir.empty()
                            ? fs::path()
                            : arguments.search.run_dir / "eval-cmd.log"}) {}

  int run() {
    arguments_.recipe.check(arguments_.output);
    const auto specs = arguments_.eval.specs(search_.needs_evaluator);
    shifts_ = Shifts(std::span(specs).last(arguments_.eval.test.size()));
    const auto bn_data = arguments_.batch_norm.spec(arguments_.eval);
    checkpoints_ = arguments_.checkpoints.collect();
    recipe_ = arguments_.mix.make(arguments_.checkpoints.options.open);
    if (!arguments_.base.empty()) add_base();
    Recipe all = recipe_of_all(recipe_, checkpoints_);
    if (gather_adapters(all, arguments_.adapter_base)) {
      return average_adapters(all, arguments_, output_);
    }
    if (!arguments_.adapter_base.empty()) {
      throw UsageError("--base: is for LoRA adapters, but " +
                       printable(checkpoints_.front()->path().string()) +
                       " is a model");
    }
    if (arguments_.recipe.dry_run) {
      if (judges_.leads()) print_plan(all, pointers(checkpoints_), output_);
      return 0;
    }
    // Every mistake in names, shapes and dtypes before anything is scored.
    make_plan(all, pointers(checkpoints_));
    judges_.make(specs, *checkpoints_.front());
    if (bn_data) make_batch_norm(*bn_data);
    if (!judges_.leads()) {
      judges_.take_part(search_.name, checkpoints_, search_options());
      return 0;
    }
    const SearchResult result = choose();
    write(result.recipe);
    report(result);
    return 0;
  }

 private:
  // The base comes last. It may lie among the checkpoints.
  void add_base() {
    const OpenOptions& open = arguments_.checkpoints.options.open;
    CheckpointPtr base = open_checkpoint(arguments_.base, open);
    std::erase_if(checkpoints_, [&](const CheckpointPtr& c) {
      return fs::equivalent(c->path(), arguments_.base);
    });
    checkpoints_.push_back(std::move(base));
    recipe_.base = checkpoints_.size() - 1;
  }

  void make_batch_norm(const DatasetSpec& data) {
    EvaluatorOptions options = arguments_.eval.options;
    options.device = judges_.device();
    options.batch_size = kBatchNormBatch;
    batch_norm_ =
        make_batch_norm_statistics(data, *checkpoints_.front(), 0, options);
  }

  SearchOptions search_options() const {
    SearchOptions options = arguments_.search;
    options.recipe = recipe_;
    options.batch_norm = batch_norm_.get();
    if (!arguments_.scores.empty()) {
      options.scores =
          known_scores(arguments_.scores, checkpoints_, *judges_.all().front(),
                       arguments_.eval.metric());
    }
    return options;
  }

  SearchResult choose() {
    SearchOptions options = search_options();
    options.progress = true;
    if (!judges_.has_held_out())
      return search_.run(checkpoints_, nullptr, options);
    const std::vector<Evaluator*> panel = judges_.panel();
    options.guards.assign(panel.begin() + 1, panel.end());
    options.others = judges_.others();
    Evaluator& evaluator = *judges_.all().front();
    Steps steps(output_, ShortNames::of_all(checkpoints_), evaluator.counts());
    steps.watch(options);
    SearchResult result = search_.run(checkpoints_, &evaluator, options);
    steps.summarize();
    return result;
  }

  void write(const Recipe& recipe) {
    for (const Ingredient& ingredient : recipe.ingredients) {
      const auto found = std::find_if(
          checkpoints_.begin(), checkpoints_.end(),
          [&](const CheckpointPtr& c) { return c->path() == ingredient.path; });
      ingredients_.push_back(found->get());
    }
    const fs::path& out = arguments_.output.out;
    const WriteOptions how =
        arguments_.output.write_options(checkpoints_.front()->path());
    if (renews()) {
      const auto mixed = soup_in_memory(recipe, ingredients_);
      const auto renewed = batch_norm_->recompute(*mixed);
      made_.bytes_read = make_plan(recipe, ingredients_).bytes_read;
      made_.bytes_written =
          save_checkpoint(*renewed, out, renewed->metadata(), how);
    } else {
      made_ = make_soup(recipe, ingredients_, out, how, {.progress = true});
    }
    arguments_.recipe.write(recipe);
  }

  // As the search had it: a single checkpoint keeps its own statistics.
  bool renews() const { return batch_norm_ && ingredients_.size() > 1; }

  // The written file is scored, not what was in memory.
  void report(const SearchResult& result) {
    const fs::path& out = arguments_.output.out;
    std::optional<Score> score = result.score;
    CheckpointPtr written;
    if (!judges_.all().empty()) written = open_checkpoint(out);
    if (!score && judges_.has_held_out()) {
      score = score_on(0, *written);
      output_.object(describe_score(out, *score));
    }
    report_soup(result, score);
    if (!result.reason.empty()) log::warn(result.reason);
    report_tests(result, written.get(), score);
  }

  Score score_on(size_t evaluator, const Checkpoint& checkpoint) {
    Evaluator& judge = *judges_.all()[evaluator];
    const auto progress = evaluation_progress("scoring", {&judge}, 1);
    return judge.evaluate(checkpoint, {.progress = progress.get()}).value();
  }

  void report_soup(const SearchResult& result,
                   const std::optional<Score>& score) {
    ordered_json object = {{"kind", "soup"},
                           {"search", search_.name},
                           {"output", arguments_.output.out.string()},
                           {"ingredients", describe_ingredients(result)}};
    object.update(describe_held_out(score));
    object["best_single"] =
        result.best_single ? ordered_json(result.best_single->value) : nullptr;
    if (result.optimism) {
      object["optimism"] = {{"folds", result.optimism->folds},
                            {"chosen", result.optimism->chosen},
                            {"apart", result.optimism->apart}};
    }
    if (!result.reason.empty()) object["reason"] = result.reason;
    if (renews()) object["bn_data"] = arguments_.batch_norm.data;
    object["seconds"] =
        std::chrono::duration<double>(Clock::now() - begin_).count();
    object["bytes_read"] = made_.bytes_read;
    object["bytes_written"] = made_.bytes_written;
    output_.object(object);
  }

  void report_tests(const SearchResult& result, const Checkpoint* written,
                    const std::optional<Score>& score) {
    const std::string out = arguments_.output.out.string();
    if (judges_.all().empty()) {
      output_.line(out + ": " + std::string(search_.name) + " soup of " +
                   std::to_string(ingredients_.size()) + ", read " +
                   bytes_text(made_.bytes_read) + ", wrote " +
                   bytes_text(made_.bytes_written));
      return;
    }
    const size_t held_out = judges_.has_held_out() ? 1 : 0;
    const size_t all = judges_.all().size();
    std::vector<FinalRow> rows;
    CheckpointPtr single;
    if (result.best_single) {
      rows.push_back(
          {.title = "best single: " +
                    ShortNames::of_all(checkpoints_).of(result.best_path),
           .path = result.best_path,
           .held_out = result.best_single});
      if (all > held_out) {
        single = open_checkpoint(result.best_path,
                                 arguments_.checkpoints.options.open);
      }
    }
    rows.push_back({.title = std::string(search_.name) + " soup of " +
                             std::to_string(ingredients_.size()) + ": " + out,
                    .path = out,
                    .held_out = score});
    for (size_t i = held_out; i < all; ++i) {
      if (single) rows.front().others.push_back(test(i, *single));
      rows.back().others.push_back(test(i, *written));
    }
    print_final(rows, shifts_, output_);
    print_contributions(output_, result, ShortNames::of_all(checkpoints_));
    if (result.optimism) output_.line(optimism_text(*result.optimism));
  }

  Score test(size_t evaluator, const Checkpoint& checkpoint) {
    Score score = score_on(evaluator, checkpoint);
    output_.object(describe_score(checkpoint.path(), score));
    return score;
  }

  const Search& search_;
  const SoupArguments& arguments_;
  const Output& output_;
  Judges judges_;
  Clock::time_point begin_ = Clock::now();
  std::vector<CheckpointPtr> checkpoints_;
  Recipe recipe_;
  Shifts shifts_{{}};                                ///< of --test
  std::unique_ptr<BatchNormStatistics> batch_norm_;  ///< null: averaged
  std::vector<const Checkpoint*> ingredients_;
  MakeResult made_;
};

}  // namespace

int run_search(const Search& search, const SoupArguments& arguments,
               const Output& output) {
  return SoupRun(search, arguments, output).run();
}

void print_plan(const Recipe& recipe,
                std::span<const Checkpoint* const> ingredients,
                const Output& output) {
  const Plan plan = make_plan(recipe, ingredients);
  for (const std::string& what : plan.inferred) log::info(what);
  for (const std::string& notice : plan.notices) log::warn(notice);
  output.object(describe_plan(plan, recipe));
  output.line("rule         " + recipe.rule);
  output.line("ingredients  " + std::to_string(ingredients.size()));
  output.line("tensors      " + std::to_string(plan.tensors.size()));
  output.line("to read      " + bytes_text(plan.bytes_read));
  output.line("to write     " + bytes_text(plan.bytes_write));
  output.line("peak memory  " + bytes_text(plan.peak_memory));
}

}  // namespace soup
