#include "search/job.h"

#include <chrono>

#include "core/json.h"
#include "search/identity.h"
#include "search/records.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

// What a score is taken on.
Panel panel_of(const Panel& panel, bool guarded) {
  return guarded ? panel : Panel{panel.primary};
}

ordered_json criterion_json(const Criterion& criterion) {
  return {{"accept_equal", criterion.accept_equal},
          {"min_gain", criterion.min_gain},
          {"alpha", criterion.alpha},
          {"least", criterion.least}};
}

Criterion read_criterion(const ordered_json& json, const std::string& where) {
  return {.accept_equal = get_as<bool>(json, "accept_equal", where),
          .min_gain = get_as<int64_t>(json, "min_gain", where),
          .alpha = get_as<double>(json, "alpha", where),
          .least = get_as<int64_t>(json, "least", where)};
}

}  // namespace

Outcome LocalHand::perform(const Job& job, const std::stop_token& stop,
                           Progress& progress) {
  const Clock::time_point begin = Clock::now();
  const Checkpoint& weights = former_.form(job.mixture);
  if (!job.incumbent) {
    return score_fully(panel_of(panel_, job.guarded), weights, progress, stop);
  }
  Trial trial = try_candidate(panel_, weights, *job.incumbent, job.criterion,
                              full_, progress, stop);
  trial.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return trial;
}

ordered_json job_json(const Panel& panel, const Job& job) {
  ordered_json json = {{"ingredients", job.mixture}, {"guarded", job.guarded}};
  if (job.incumbent) {
    json["criterion"] = criterion_json(job.criterion);
    json["incumbent"] = incumbent_record(panel, *job.incumbent);
  }
  return json;
}

Job read_job(const Panel& panel, size_t checkpoints, const ordered_json& json,
             const std::string& where) {
  return checked_record(where, [&] {
    Job job;
    json.at("ingredients").get_to(job.mixture);
    job.guarded = get_as<bool>(json, "guarded", where);
    for (const size_t index : job.mixture) {
      if (index >= checkpoints) throw Error(where + ": no such ingredient");
    }
    if (job.mixture.empty()) throw Error(where + ": no ingredients");
    if (json.contains("incumbent")) {
      job.criterion = read_criterion(json.at("criterion"), where);
      job.incumbent = std::make_shared<const Incumbent>(
          read_incumbent(panel, json.at("incumbent"), where));
    }
    return job;
  });
}

ordered_json outcome_json(const Panel& panel, const Job& job,
                          const Outcome& outcome) {
  if (job.incumbent) return trial_record(panel, std::get<Trial>(outcome));
  return incumbent_record(panel_of(panel, job.guarded),
                          std::get<Incumbent>(outcome));
}

Outcome read_outcome(const Panel& panel, const Job& job,
                     const ordered_json& json, const std::string& where) {
  return checked_record(where, [&]() -> Outcome {
    if (job.incumbent) return read_trial(panel, json, where);
    return read_incumbent(panel_of(panel, job.guarded), json, where);
  });
}

}  // namespace soup
