#include <map>

#include "cli/commands.h"
#include "cli/soup_command.h"
#include "soup/error.h"

namespace soup {
namespace {

class TrajectoryTask : public Task {
 public:
  explicit TrajectoryTask(CLI::App& app) {
    arguments_.checkpoints.add_to(app);
    Trajectory& along = arguments_.search.trajectory;
    app.add_option("--last", along.last, "only so many, the newest")
        ->check(positive_number());
    CLI::Option* weights = app.add_option(
        "--weights", weights_,
        "mean: all alike; linear: 1, 2, 3, ...; ema: each counts --factor "
        "times the next newer one");
    weights->check(CLI::IsMember({"mean", "linear", "ema"}))
        ->capture_default_str();
    factor_ = app.add_option("--factor", along.factor, "of --weights ema");
    factor_->capture_default_str();
    app.add_option("--schedule", along.schedule,
                   "weights as if the learning rate had decayed by these "
                   "shares after the oldest checkpoint: 0.75,0.5,0.25")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->excludes(weights);
    arguments_.output.add_to(app);
    arguments_.recipe.add_to(app);
    arguments_.mix.add_to(app);
    arguments_.batch_norm.add_to(app);
    arguments_.eval.add_to(app, true);
  }

  int run(const Output& output) override {
    static const std::map<std::string, Decay> kDecays = {
        {"mean", Decay::kMean},
        {"linear", Decay::kLinear},
        {"ema", Decay::kEma}};
    Trajectory& along = arguments_.search.trajectory;
    along.decay =
        along.schedule.empty() ? kDecays.at(weights_) : Decay::kSchedule;
    if (along.decay != Decay::kEma && factor_->count() > 0) {
      throw UsageError("--factor: is of --weights ema");
    }
    return run_search(find_search("trajectory"), arguments_, output);
  }

 private:
  SoupArguments arguments_;
  std::string weights_ = "mean";
  CLI::Option* factor_ = nullptr;
};

}  // namespace

std::unique_ptr<Task> make_trajectory(CLI::App& app) {
  return std::make_unique<TrajectoryTask>(app);
}

}  // namespace soup
