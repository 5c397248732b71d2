#include "cli/judges.h"

#include <algorithm>

#include "core/file.h"
#include "core/log.h"
#include "core/threads.h"
#include "soup/error.h"

namespace soup {

void describe_devices(CLI::App& app) {
  app.get_option("--device")
      ->description(
          "auto, cpu, cuda, cuda:N; several at once: all, cuda:0,1. Of the "
          "processes of a launcher on one machine each takes one");
}

Judges::Judges(const JudgeArguments& arguments) : arguments_(arguments) {
  if (arguments.spreads) launch_ = read_launch(environment());
  if (!leads()) log::set_level(log::Level::kErrors);
}

bool Judges::has_held_out() const {
  return !arguments_.eval.val.empty() ||
         !arguments_.eval.by_command.command.empty();
}

void Judges::connect() {
  if (launch_.size == 1) return;
  store_ = connect_store(launch_);
  if (!leads()) {
    participant_.emplace(*store_, launch_.rank);
    return;
  }
  log::info("one evaluation by " + std::to_string(launch_.size) +
            " processes, started by " + launch_.launcher);
}

void Judges::make(std::span<const DatasetSpec> specs, const Checkpoint& like) {
  connect();
  std::string device = arguments_.eval.options.device;
  std::vector<std::string> devices = {device};
  if (arguments_.spreads && !specs.empty()) {
    devices = devices_of(device, engine_info().gpus, launch_);
  }
  device_ = devices.front();
  devices_.front() = make_on(device_, specs, like, launch_.rank * jobs());
  const size_t apart = arguments_.chooses ? arguments_.eval.test.size() : 0;
  const auto shared = specs.first(specs.size() - apart);
  // Without held-out data it is a command that chooses, on no device.
  for (size_t i = 1; i < devices.size() && !shared.empty(); ++i) {
    devices_.push_back(
        make_on(devices[i], shared, like, static_cast<int64_t>(i)));
  }
  for (int i = 1; i < jobs() && leads(); ++i) {
    devices_.push_back(make_on(device, {}, like, i));
  }
}

// Several commands at once are as several devices, unless they share one for
// their guards.
int Judges::jobs() const {
  const EvalArguments& eval = arguments_.eval;
  return arguments_.spreads && eval.guard.empty() ? eval.by_command.jobs : 1;
}

Judges::Evaluators Judges::make_on(const std::string& device,
                                   std::span<const DatasetSpec> specs,
                                   const Checkpoint& like, int64_t number) {
  const EvalArguments& eval = arguments_.eval;
  Evaluators made;
  if (!specs.empty()) {
    EvaluatorOptions options = eval.options;
    options.device = device;
    // torchrun binds its processes to no processors.
    if (launch_.launcher == "torchrun" && launch_.local_size > 1) {
      options.threads =
          std::max(default_threads() / static_cast<int>(launch_.local_size), 1);
    }
    made = make_evaluators(specs, like, options);
  }
  if (!eval.by_command.command.empty()) {
    CommandOptions options = eval.by_command;
    if (jobs() > 1) options.jobs = 1;
    options.number = number;
    options.folder = arguments_.folder;
    options.log = arguments_.log;
    made.insert(made.begin(), make_command_evaluator(options));
  }
  if (arguments_.chooses && eval.val.size() > 1) {
    const std::span sets(made);
    auto mean = make_weighted_mean(sets.first(eval.val.size()), eval.shares());
    made.insert(made.begin(), std::move(mean));
  }
  return made;
}

size_t Judges::first_guard() const {
  const size_t sets = arguments_.eval.val.size();
  return sets > 1 ? 1 + sets : 1;
}

std::vector<Evaluator*> Judges::panel_of(const Evaluators& evaluators) const {
  std::vector<Evaluator*> panel;
  if (!arguments_.chooses) {
    for (const auto& one : evaluators) panel.push_back(one.get());
    return panel;
  }
  panel.push_back(evaluators.front().get());
  for (size_t i = 0; i < arguments_.eval.guard.size(); ++i) {
    panel.push_back(evaluators[first_guard() + i].get());
  }
  return panel;
}

Others Judges::others() const {
  Others others{.store = store_.get(), .processes = launch_.size};
  for (size_t i = 1; i < devices_.size(); ++i) {
    others.devices.push_back(panel_of(devices_[i]));
  }
  return others;
}

void Judges::take_part(std::string_view command,
                       std::span<const CheckpointPtr> checkpoints,
                       SearchOptions options) {
  const std::vector<Evaluator*> panel = this->panel();
  options.guards.assign(panel.begin() + 1, panel.end());
  try {
    participant_->take_part(command, checkpoints, *panel.front(), options);
  } catch (const Error& e) {
    throw Error("rank " + std::to_string(launch_.rank) + ": " + e.what());
  }
}

}  // namespace soup
