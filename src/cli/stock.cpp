#include <optional>

#include "cli/commands.h"
#include "cli/soup_command.h"

namespace soup {
namespace {

class Stock : public Task {
 public:
  explicit Stock(CLI::App& app) {
    arguments_.checkpoints.add_to(app);
    app.add_option("--base", arguments_.base,
                   "the model that the others were trained from")
        ->required();
    CLI::Option* rows =
        app.add_flag("--filter-wise", filter_wise_,
                     "one angle for each row of a tensor instead of one for "
                     "all");
    CLI::Option* sums = app.add_flag(
        "--ratio-of-sums", ratio_of_sums_,
        "of more than two models: one cosine for all pairs, in which models "
        "far from the base count more, instead of the mean of all cosines");
    app.add_option("--shrink", shrink_,
                   "so far from the base (0) to the mean (1) everywhere, "
                   "instead of as far as the angles say")
        ->type_name("S")
        ->excludes(rows)
        ->excludes(sums);
    arguments_.output.add_to(app);
    arguments_.recipe.add_to(app);
    arguments_.mix.add_to(app);
    arguments_.batch_norm.add_to(app);
    arguments_.eval.add_to(app, true);
  }

  int run(const Output& output) override {
    Recipe& recipe = arguments_.mix.recipe;
    recipe.rule = "model_stock";
    if (shrink_) {
      recipe.rule = "task_arithmetic";
      recipe.settings = {{"lambda", *shrink_}, {"normalize", 1}};
    }
    if (filter_wise_) recipe.settings["filter_wise"] = 1;
    if (ratio_of_sums_) recipe.settings["ratio_of_sums"] = 1;
    return run_search(find_search("stock"), arguments_, output);
  }

 private:
  SoupArguments arguments_;
  bool filter_wise_ = false;
  bool ratio_of_sums_ = false;
  std::optional<double> shrink_;
};

}  // namespace

std::unique_ptr<Task> make_stock(CLI::App& app) {
  return std::make_unique<Stock>(app);
}

}  // namespace soup
