#include "search/part.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "core/json.h"
#include "search/records.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

/// One thing that verdicts say, of all of them.
template <typename T>
std::vector<T> column(std::span<const Verdict> verdicts, T Verdict::*field) {
  std::vector<T> values;
  for (const Verdict& verdict : verdicts) values.push_back(verdict.*field);
  return values;
}

int64_t bytes_of_example(const Evaluator& evaluator, bool logits) {
  constexpr auto number = static_cast<int64_t>(sizeof(float));
  return static_cast<int64_t>(sizeof(Verdict)) +
         (logits ? number * evaluator.classes() : 0);
}

int64_t divided_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

std::vector<Part> cut(const Panel& panel, size_t set, int64_t wanted,
                      bool logits) {
  const Evaluator& evaluator = panel.set(set);
  const int64_t count = evaluator.examples();
  if (count == 0) return {{.set = set}};
  const int64_t batch = evaluator.batch_size();
  const int64_t most = std::max<int64_t>(
      kLargestOutcome / bytes_of_example(evaluator, logits), 1);
  const int64_t whole = divided_up(divided_up(count, wanted), batch) * batch;
  const int64_t length = std::min(whole, most);
  std::vector<Part> parts;
  for (int64_t begin = 0; begin < count; begin += length) {
    parts.push_back({.set = set,
                     .begin = begin,
                     .end = std::min(begin + length, count),
                     .logits = logits});
  }
  return parts;
}

PartOutcome look_at(const Panel& panel, const Part& part,
                    const Checkpoint& weights, const std::stop_token& stop) {
  const Clock::time_point begin = Clock::now();
  Evaluator& evaluator = panel.set(part.set);
  PartOutcome outcome;
  EvaluateOptions options{.stop = stop};
  if (evaluator.examples() == 0) {
    outcome.score = evaluator.evaluate(weights, options);
    return outcome;
  }
  std::vector<int64_t> which(static_cast<size_t>(part.end - part.begin));
  std::iota(which.begin(), which.end(), part.begin);
  options.order = which;
  options.watch = [&](std::span<const Verdict> batch) {
    outcome.verdicts.insert(outcome.verdicts.end(), batch.begin(), batch.end());
    return !stop.stop_requested();
  };
  if (part.logits) {
    options.logits = [&](std::span<const Verdict>,
                         std::span<const float> rows) {
      outcome.logits.insert(outcome.logits.end(), rows.begin(), rows.end());
    };
  }
  if (!evaluator.look(weights, options)) throw Stopped();
  outcome.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return outcome;
}

ordered_json part_outcome_json(const PartOutcome& outcome) {
  if (outcome.score) return {{"score", score_record(*outcome.score)}};
  const std::span verdicts(outcome.verdicts);
  ordered_json json = {
      {"labels", values_json(column(verdicts, &Verdict::label))},
      {"predictions", values_json(column(verdicts, &Verdict::prediction))},
      {"margins", values_json(column(verdicts, &Verdict::margin))},
      {"terms", values_json(column(verdicts, &Verdict::term))},
      {"seconds", outcome.seconds}};
  if (!outcome.logits.empty()) json["logits"] = values_json(outcome.logits);
  return json;
}

PartOutcome read_part_outcome(const Panel& panel, const Part& part,
                              const ordered_json& json,
                              const std::string& where) {
  const Evaluator& evaluator = panel.set(part.set);
  if (evaluator.examples() == 0) {
    return {.score = read_score(json.at("score"), evaluator, where)};
  }
  const auto count = static_cast<size_t>(part.end - part.begin);
  const auto labels = read_values<int32_t>(json, "labels", count, where);
  const auto classes = read_values<int32_t>(json, "predictions", count, where);
  const auto margins = read_values<float>(json, "margins", count, where);
  const auto terms = read_values<double>(json, "terms", count, where);
  PartOutcome outcome{.seconds = get_as<double>(json, "seconds", where)};
  for (size_t i = 0; i < count; ++i) {
    outcome.verdicts.push_back({.example = part.begin + static_cast<int64_t>(i),
                                .label = labels[i],
                                .prediction = classes[i],
                                .margin = margins[i],
                                .term = terms[i]});
  }
  if (part.logits) {
    const auto width = static_cast<size_t>(evaluator.classes());
    outcome.logits = read_values<float>(json, "logits", count * width, where);
  }
  return outcome;
}

ordered_json part_json(const Part& part) {
  return {{"set", part.set},
          {"begin", part.begin},
          {"end", part.end},
          {"logits", part.logits}};
}

Part read_part(const Panel& panel, const ordered_json& json,
               const std::string& where) {
  const auto set = get_as<int64_t>(json, "set", where);
  const Part part = {.set = static_cast<size_t>(set),
                     .begin = get_as<int64_t>(json, "begin", where),
                     .end = get_as<int64_t>(json, "end", where),
                     .logits = get_as<bool>(json, "logits", where)};
  if (set < 0 || part.set >= panel.sets())
    throw Error(where + ": no such data set");
  const int64_t count = panel.set(part.set).examples();
  const bool fits = count == 0 ? part.begin == 0 && part.end == 0
                               : part.begin >= 0 && part.begin < part.end &&
                                     part.end <= count;
  if (!fits) throw Error(where + ": no such examples");
  if (part.logits && panel.set(part.set).classes() == 0) {
    throw Error(where + ": there are no logits");
  }
  return part;
}

}  // namespace soup
