#include "cli/commands.h"
#include "cli/judges.h"
#include "cli/run_dir.h"
#include "cli/selection.h"
#include "cli/soup_command.h"
#include "soup/error.h"

namespace soup {
namespace {

class Greedy : public Task {
 public:
  explicit Greedy(CLI::App& app) {
    arguments_.checkpoints.add_to(app);
    arguments_.output.add_to(app);
    arguments_.recipe.add_to(app);
    arguments_.eval.add_to(app, true);
    arguments_.eval.allow_shares(app);
    arguments_.spreads = true;
    describe_devices(app);
    app.get_option("--eval-jobs")
        ->description(
            "how many of --eval-cmd run at once, on candidates ahead of their "
            "turn");
    arguments_.mix.add_to(app);
    arguments_.batch_norm.add_to(app);
    selection_.add_to(app, arguments_.search);
    app.add_option("--guard", arguments_.eval.guard,
                   "more held-out data, on which no step may lower the score "
                   "(repeatable)")
        ->allow_extra_args(false);
    app.add_option("--optimism", arguments_.search.optimism_folds,
                   "estimate what choosing adds to the held-out score: search "
                   "again without each of so many parts of the examples, and "
                   "score it on that part")
        ->check(CLI::Range(int64_t{2}, int64_t{1} << 20));
    add_budget(app);
    add_run_options(app, arguments_.search);
  }

  int run(const Output& output) override {
    const Search& chosen = selection_.choose(arguments_.search);
    const Search& search =
        arguments_.search.budget > 0 ? find_search("radin") : chosen;
    if (arguments_.search.optimism_folds > 0 && search.name != "greedy") {
      throw UsageError("--optimism: is of the plain greedy search");
    }
    arguments_.scores = selection_.scores;
    // RADIN's sets are those of ensembles.
    arguments_.eval.options.logits = arguments_.search.budget > 0;
    complete_run_dir(arguments_.search, arguments_.output.out);
    return run_search(search, arguments_, output);
  }

  bool spreads() const override { return true; }

 private:
  // After all others, most of which it excludes.
  void add_budget(CLI::App& app) {
    CLI::Option* budget = app.add_option(
        "--budget", arguments_.search.budget,
        "RADIN: score only so many soups, the most promising of fifty times as "
        "many random sets (--seed) by the score of their ensembles");
    budget->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
    for (const char* other :
         {"--pruned", "--with-replacement", "--order", "--orders", "--sweeps",
          "--max-ingredients", "--scores", "--leave-one-out", "--optimism",
          "--eval-cmd"}) {
      budget->excludes(app.get_option(other));
    }
  }

  SoupArguments arguments_;
  SelectionArguments selection_;
};

}  // namespace

std::unique_ptr<Task> make_greedy(CLI::App& app) {
  return std::make_unique<Greedy>(app);
}

}  // namespace soup
