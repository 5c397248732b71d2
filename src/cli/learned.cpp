#include <array>

#include "cli/commands.h"
#include "cli/run_dir.h"
#include "cli/soup_command.h"
#include "core/table.h"
#include "soup/error.h"

namespace soup {
namespace {

class Learned : public Task {
 public:
  explicit Learned(CLI::App& app) {
    arguments_.checkpoints.add_to(app);
    Learning& learning = arguments_.search.learning;
    app.add_option("--by", by_,
                   "one coefficient of a checkpoint for the whole model, for "
                   "each layer (block), or for each tensor")
        ->type_name("model|layer|tensor")
        ->capture_default_str();
    app.add_flag("--affine", learning.affine,
                 "coefficients of any sign, 1 in sum (MEHL-Soup), instead of "
                 "positive ones with a temperature (the paper)");
    app.add_option("--epochs", learning.epochs,
                   "passes over the held-out data, at most")
        ->check(positive_number())
        ->capture_default_str();
    app.add_option("--folds", learning.folds,
                   "parts of the held-out data: each is scored by coefficients "
                   "learned without it, and says after how many epochs to stop")
        ->check(CLI::Range(int64_t{2}, int64_t{1} << 20))
        ->capture_default_str();
    app.add_option("--lr", learning.rate,
                   "learning rate of AdamW (default: 0.05; with --affine 0.01)")
        ->check(positive_number());
    app.add_option("--seed", arguments_.search.seed,
                   "of the folds and of the order of examples")
        ->capture_default_str();
    arguments_.output.add_to(app);
    arguments_.recipe.add_to(app);
    arguments_.eval.add_to(app, true);
    arguments_.mix.add_to(app);
    arguments_.batch_norm.add_to(app);
    add_from_losses(app);
    add_run_options(app, arguments_.search);
  }

  int run(const Output& output) override {
    SearchOptions& search = arguments_.search;
    if (search.temperature > 0) {
      if (metric_->empty()) arguments_.eval.options.metric = "nll";
      complete_run_dir(search, arguments_.output.out);
      return run_search(find_search("softmax"), arguments_, output);
    }
    search.learning.by = share();
    search.learning.batch_size = arguments_.eval.options.batch_size;
    if (!arguments_.eval.by_command.command.empty()) {
      throw UsageError(
          "--eval-cmd gives scores, learning needs gradients: give --val");
    }
    complete_run_dir(search, arguments_.output.out);
    return run_search(find_search("learned"), arguments_, output);
  }

 private:
  void add_from_losses(CLI::App& app) {
    CLI::Option* from = app.add_option(
        "--from-losses", arguments_.search.temperature,
        "no gradients: coefficients exp(-loss / T), scaled to the sum 1, of "
        "each checkpoint's own loss (--metric nll if nothing else is said; a "
        "score that is to be high counts as its negative)");
    from->type_name("T")->check(positive_number());
    for (const char* other :
         {"--by", "--affine", "--epochs", "--folds", "--lr"}) {
      from->excludes(app.get_option(other));
    }
    metric_ = app.get_option("--metric");
  }

  Share share() const {
    constexpr std::array kShares = {Share::kModel, Share::kLayer,
                                    Share::kTensor};
    std::vector<std::string_view> names;
    for (const Share one : kShares) {
      if (by_ == name(one)) return one;
      names.push_back(name(one));
    }
    throw UsageError("--by: there is no '" + by_ + "'" +
                     suggestion(by_, names));
  }

  SoupArguments arguments_;
  std::string by_ = "layer";
  const CLI::Option* metric_ = nullptr;
};

}  // namespace

std::unique_ptr<Task> make_learned(CLI::App& app) {
  return std::make_unique<Learned>(app);
}

}  // namespace soup
