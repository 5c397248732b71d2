#include <array>
#include <sstream>

#include "cli/commands.h"
#include "cli/scores.h"
#include "cli/soup_command.h"
#include "core/file.h"
#include "core/table.h"

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
    CLI::Option* pruned = app.add_flag(
        "--pruned", pruned_,
        "start from all and leave out, the worst first, what does not help");
    app.add_flag("--with-replacement", replacement_,
                 "add the best of all in every round, again and again, as long "
                 "as one gains: whole-numbered weights")
        ->excludes(pruned);
    CLI::Option* order = app.add_option(
        "--order", order_,
        "candidates by score, as given, random, or as this FILE lists them");
    order->type_name("score|given|random|FILE")->capture_default_str();
    app.add_option("--seed", search.seed, "of --order random")
        ->capture_default_str();
    app.add_option("--orders", search.orders,
                   "search in so many random orders, from --seed on; the best "
                   "soup is written")
        ->check(CLI::PositiveNumber)
        ->excludes(order);
    app.add_option("--accept", accept_,
                   "ge: keep what is as good (the paper); gt: only what is "
                   "better (its released code)")
        ->check(CLI::IsMember({"ge", "gt"}))
        ->capture_default_str();
    app.add_option("--guard", arguments_.eval.guard,
                   "more held-out data, on which no step may lower the score "
                   "(repeatable)")
        ->allow_extra_args(false);
    app.add_option("--min-gain", search.min_gain,
                   "examples a candidate must win")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--alpha", search.alpha,
                   "accept only what McNemar's paired test finds better, with "
                   "a p-value below this")
        ->check(CLI::Range(1e-300, 1.0));
    app.add_option("--max-ingredients", search.max_ingredients,
                   "stop at so many (default: no limit; 100 with "
                   "--with-replacement)")
        ->check(CLI::PositiveNumber);
    app.add_option(
           "--sweeps", search.sweeps,
           "how often the candidates are gone through (default: 1; with "
           "--pruned until nothing changes)")
        ->check(CLI::PositiveNumber);
    app.add_flag("--leave-one-out", search.leave_one_out,
                 "score the soup without each of its ingredients, too");
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
    choose_order();
    arguments_.search.accept_equal = accept_ == "ge";
    if (!scores_.empty()) arguments_.search.scores = read_scores(scores_);
    if (arguments_.search.run_dir.empty()) {
      arguments_.search.run_dir = default_run_dir();
    }
    const char* name = pruned_        ? "pruned"
                       : replacement_ ? "replacement"
                                      : "greedy";
    return run_search(find_search(name), arguments_, output);
  }

 private:
  void choose_order() {
    SearchOptions& search = arguments_.search;
    constexpr std::array kOrders = {Order::kScore, Order::kGiven,
                                    Order::kRandom};
    if (search.orders > 1) order_ = name(Order::kRandom);
    for (Order order : kOrders) {
      search.order = order;
      if (order_ == name(order)) return;
    }
    if (!std::filesystem::is_regular_file(order_)) {
      std::vector<std::string_view> names;
      for (Order order : kOrders) names.push_back(name(order));
      throw UsageError("--order: there is no file '" + order_ + "'" +
                       suggestion(order_, names));
    }
    search.order = Order::kFile;
    std::istringstream lines(read_text(order_, size_t{64} << 20));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) search.visit.emplace_back(line);
    }
  }

  std::filesystem::path default_run_dir() const {
    std::filesystem::path out = arguments_.output.out;
    if (!out.has_filename()) out = out.parent_path();  // a folder: "out/"
    return out += ".run";
  }

  SoupArguments arguments_;
  std::string order_ = "score";
  std::string accept_ = "ge";
  bool pruned_ = false;
  bool replacement_ = false;
  std::filesystem::path scores_;
};

}  // namespace

std::unique_ptr<Task> make_greedy(CLI::App& app) {
  return std::make_unique<Greedy>(app);
}

}  // namespace soup
