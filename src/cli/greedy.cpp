#include <map>

#include "cli/commands.h"
#include "cli/scores.h"
#include "cli/soup_command.h"

namespace soup {
namespace {

class Greedy : public Task {
 public:
  explicit Greedy(CLI::App& app) {
    arguments_.checkpoints.add_to(app);
    arguments_.output.add_to(app);
    arguments_.recipe.add_to(app);
    arguments_.eval.add_to(app, true);
    arguments_.mix.add_to(app);
    SearchOptions& search = arguments_.search;
    app.add_option("--order", order_,
                   "candidates by score, as given, or random")
        ->check(CLI::IsMember({"score", "given", "random"}))
        ->capture_default_str();
    app.add_option("--seed", search.seed, "of --order random")
        ->capture_default_str();
    app.add_option("--accept", accept_,
                   "ge: keep what is as good (the paper); gt: only what is "
                   "better (its released code)")
        ->check(CLI::IsMember({"ge", "gt"}))
        ->capture_default_str();
    app.add_option("--min-gain", search.min_gain,
                   "examples a candidate must win")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--max-ingredients", search.max_ingredients,
                   "stop at so many")
        ->check(CLI::PositiveNumber);
    app.add_option("--sweeps", search.sweeps,
                   "how often what was rejected is tried again")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--scores", scores_,
                   "JSON Lines with known scores, as soup eval prints them");
    app.add_option("--run-dir", search.run_dir,
                   "folder of the journal: the same command goes on where it "
                   "stopped (default: OUT.run)");
    app.add_flag("--fresh", search.fresh,
                 "forget what the journal holds and start anew");
    app.add_flag("--full", search.full,
                 "score every candidate on every example: same answer, "
                 "slower");
  }

  int run(const Output& output) override {
    static const std::map<std::string, Order> kOrders = {
        {"score", Order::kScore},
        {"given", Order::kGiven},
        {"random", Order::kRandom}};
    arguments_.search.order = kOrders.at(order_);
    arguments_.search.accept_equal = accept_ == "ge";
    if (!scores_.empty()) arguments_.search.scores = read_scores(scores_);
    if (arguments_.search.run_dir.empty()) {
      arguments_.search.run_dir = default_run_dir();
    }
    return run_search(find_search("greedy"), arguments_, output);
  }

 private:
  std::filesystem::path default_run_dir() const {
    std::filesystem::path out = arguments_.output.out;
    if (!out.has_filename()) out = out.parent_path();  // a folder: "out/"
    return out += ".run";
  }

  SoupArguments arguments_;
  std::string order_ = "score";
  std::string accept_ = "ge";
  std::filesystem::path scores_;
};

}  // namespace

std::unique_ptr<Task> make_greedy(CLI::App& app) {
  return std::make_unique<Greedy>(app);
}

}  // namespace soup
