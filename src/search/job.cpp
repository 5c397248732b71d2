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

ordered_json forecast_json(const Forecast& forecast) {
  return {{"share", forecast.share}, {"single", values_json(*forecast.single)}};
}

Forecast read_forecast(const Panel& panel, const ordered_json& json,
                       const std::string& where) {
  const auto count = static_cast<size_t>(panel.primary.examples());
  return {std::make_shared<const std::vector<float>>(
              read_values<float>(json, "single", count, where)),
          get_as<double>(json, "share", where)};
}

std::vector<double> read_weights(const ordered_json& json, const Job& job,
                                 const std::string& where) {
  const auto weights = get_as<std::vector<double>>(json, "weights", where);
  if (weights.size() != job.mixture.size() ||
      distinct(job.mixture).size() != job.mixture.size()) {
    throw Error(where + ": not one weight for each ingredient");
  }
  return weights;
}

}  // namespace

Outcome LocalHand::perform(const Job& job, const std::stop_token& stop) {
  if (!job.incumbent) {
    return look_at(panel_, job.part, former_.form(job.mixture, job.weights),
                   stop);
  }
  Progress hidden("", 0, Unit::kExamples, false);
  return compare(job, {}, stop, hidden);
}

Trial LocalHand::compare(const Job& job, const Mixture& next,
                         const std::stop_token& stop, Progress& progress) {
  const Clock::time_point begin = Clock::now();
  const Checkpoint& weights = former_.form(job.mixture);
  if (!next.empty()) former_.look_ahead(next);
  Trial trial = try_candidate(panel_, weights, *job.incumbent, job.criterion,
                              job.forecast, full_, progress, stop);
  trial.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return trial;
}

ordered_json job_json(const Panel& panel, const Job& job) {
  ordered_json json = {{"ingredients", job.mixture}};
  if (job.incumbent) {
    json["criterion"] = criterion_json(job.criterion);
    json["incumbent"] = incumbent_record(panel, *job.incumbent);
    if (job.forecast.single) json["forecast"] = forecast_json(job.forecast);
  } else {
    json["part"] = part_json(job.part);
    if (!job.weights.empty()) json["weights"] = job.weights;
  }
  return json;
}

Job read_job(const Panel& panel, size_t checkpoints, const ordered_json& json,
             const std::string& where) {
  return checked_record(where, [&] {
    Job job;
    json.at("ingredients").get_to(job.mixture);
    for (const size_t index : job.mixture) {
      if (index >= checkpoints) throw Error(where + ": no such ingredient");
    }
    if (job.mixture.empty()) throw Error(where + ": no ingredients");
    if (json.contains("incumbent")) {
      job.criterion = read_criterion(json.at("criterion"), where);
      job.incumbent = std::make_shared<const Incumbent>(
          read_incumbent(panel, json.at("incumbent"), where));
      if (json.contains("forecast")) {
        job.forecast = read_forecast(panel, json.at("forecast"), where);
      }
    } else {
      job.part = read_part(panel, json.at("part"), where);
      if (json.contains("weights"))
        job.weights = read_weights(json, job, where);
    }
    return job;
  });
}

ordered_json outcome_json(const Panel& panel, const Job& job,
                          const Outcome& outcome) {
  if (job.incumbent) return trial_record(panel, std::get<Trial>(outcome));
  return part_outcome_json(std::get<PartOutcome>(outcome));
}

Outcome read_outcome(const Panel& panel, const Job& job,
                     const ordered_json& json, const std::string& where) {
  return checked_record(where, [&]() -> Outcome {
    if (job.incumbent) return read_trial(panel, json, where);
    return read_part_outcome(panel, job.part, json, where);
  });
}

}  // namespace soup
