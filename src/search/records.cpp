#include "search/records.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "core/base64.h"
#include "core/json.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

std::vector<std::byte> read_bytes(const ordered_json& record,
                                  const std::string& key, size_t size,
                                  const std::string& where) {
  const auto bytes = from_base64(get_as<std::string>(record, key, where));
  if (!bytes || bytes->size() != size) {
    throw Error(where + ": '" + key +
                "' does not fit the data set; --fresh "
                "starts anew");
  }
  return *bytes;
}

ordered_json trial_of(const Evaluator& evaluator, const Trial& trial) {
  ordered_json record = {{"accepted", trial.accepted},
                         {"gains", nullptr},
                         {"losses", nullptr},
                         {"ahead", trial.ahead},
                         {"value", nullptr}};
  if (evaluator.counts() && evaluator.examples() > 0) {
    record["gains"] = trial.gains;
    record["losses"] = trial.losses;
  }
  if (trial.score) record.update(score_record(*trial.score));
  record["seconds"] = trial.seconds;
  const bool whole = trial.count_seen() == std::ssize(trial.seen);
  if (!whole) record["seen_examples"] = bits_json(trial.seen);
  record.update(answers_json(trial.answers, evaluator.counts()));
  return record;
}

Trial read_trial_of(const Evaluator& evaluator, const ordered_json& record,
                    const std::string& where) {
  Trial trial;
  trial.accepted = get_as<bool>(record, "accepted", where);
  if (!record.at("value").is_null()) {
    trial.score = read_score(record, evaluator, where);
  }
  trial.answers =
      read_answers(record, evaluator.examples(), evaluator.counts(), where);
  const auto count = static_cast<size_t>(evaluator.examples());
  trial.seen = record.contains("seen_examples")
                   ? read_bits(record, "seen_examples", count, where)
                   : std::vector<bool>(count, true);
  if (!record.at("gains").is_null()) {
    trial.gains = get_as<int64_t>(record, "gains", where);
    trial.losses = get_as<int64_t>(record, "losses", where);
  }
  trial.ahead = get_as<int64_t>(record, "ahead", where);
  trial.seconds = get_as<double>(record, "seconds", where);
  return trial;
}

// The records of guards, at least `least` of them.
std::vector<ordered_json> guards_of(const Panel& panel, size_t least,
                                    const ordered_json& record,
                                    const std::string& where) {
  std::vector<ordered_json> guards;
  if (record.contains("guards")) record.at("guards").get_to(guards);
  if (guards.size() >= least && guards.size() <= panel.guards.size()) {
    return guards;
  }
  throw Error(where + ": is of other data sets; --fresh starts anew");
}

}  // namespace

ordered_json score_record(const Score& score) {
  return {{"dataset", score.dataset},
          {"metric", score.metric},
          {"value", number_json(score.value)},
          {"count", score.count},
          {"correct", score.correct ? ordered_json(*score.correct)
                                    : ordered_json(nullptr)},
          {"standard_error", score.standard_error
                                 ? number_json(*score.standard_error)
                                 : ordered_json(nullptr)},
          {"seconds", score.seconds}};
}

Score read_score(const ordered_json& record, const Evaluator& evaluator,
                 const std::string& where) {
  Score score{.dataset = evaluator.dataset(),
              .metric = get_as<std::string>(record, "metric", where),
              .value = read_number(record, "value", where),
              .count = get_as<int64_t>(record, "count", where),
              .correct = {},
              .higher_is_better = evaluator.higher_is_better(),
              .seconds = get_as<double>(record, "seconds", where)};
  if (evaluator.counts() && !evaluator.weighted()) {
    score.correct = get_as<int64_t>(record, "correct", where);
  }
  if (!record.at("standard_error").is_null()) {
    score.standard_error = read_number(record, "standard_error", where);
  }
  return score;
}

ordered_json incumbent_record(const Panel& panel, const Incumbent& incumbent) {
  ordered_json record = score_record(incumbent.score);
  record.update(answers_json(incumbent.answers, panel.primary.counts()));
  for (size_t i = 0; i < incumbent.guards.size(); ++i) {
    record["guards"].push_back(
        incumbent_record({*panel.guards[i]}, incumbent.guards[i]));
  }
  return record;
}

Incumbent read_incumbent(const Panel& panel, const ordered_json& record,
                         const std::string& where) {
  Incumbent incumbent = {
      .score = read_score(record, panel.primary, where),
      .answers = read_answers(record, panel.primary.examples(),
                              panel.primary.counts(), where)};
  const auto guards = guards_of(panel, panel.guards.size(), record, where);
  for (size_t i = 0; i < guards.size(); ++i) {
    incumbent.guards.push_back(
        read_incumbent({*panel.guards[i]}, guards[i], where));
  }
  return incumbent;
}

ordered_json trial_record(const Panel& panel, const Trial& trial) {
  ordered_json record = trial_of(panel.primary, trial);
  for (size_t i = 0; i < trial.guards.size(); ++i) {
    record["guards"].push_back(trial_of(*panel.guards[i], trial.guards[i]));
  }
  return record;
}

Trial read_trial(const Panel& panel, const ordered_json& record,
                 const std::string& where) {
  Trial trial = read_trial_of(panel.primary, record, where);
  const auto guards = guards_of(panel, 0, record, where);
  for (size_t i = 0; i < guards.size(); ++i) {
    trial.guards.push_back(read_trial_of(*panel.guards[i], guards[i], where));
  }
  return trial;
}

std::string bits_json(const std::vector<bool>& bits) {
  std::vector<std::byte> bytes((bits.size() + 7) / 8);
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i]) bytes[i / 8] |= static_cast<std::byte>(1U << i % 8);
  }
  return base64(bytes);
}

std::vector<bool> read_bits(const ordered_json& record, const std::string& key,
                            size_t count, const std::string& where) {
  const auto bytes = read_bytes(record, key, (count + 7) / 8, where);
  std::vector<bool> bits(count);
  for (size_t i = 0; i < count; ++i) {
    bits[i] = (std::to_integer<unsigned>(bytes[i / 8]) >> i % 8 & 1U) != 0;
  }
  return bits;
}

template <typename T>
std::string values_json(const std::vector<T>& values) {
  return base64(std::as_bytes(std::span(values)));
}

template <typename T>
std::vector<T> read_values(const ordered_json& record, const std::string& key,
                           size_t count, const std::string& where) {
  const auto bytes = read_bytes(record, key, count * sizeof(T), where);
  std::vector<T> values(count);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template std::string values_json(const std::vector<int32_t>&);
template std::string values_json(const std::vector<float>&);
template std::string values_json(const std::vector<double>&);
template std::vector<int32_t> read_values(const ordered_json&,
                                          const std::string&, size_t,
                                          const std::string&);
template std::vector<float> read_values(const ordered_json&, const std::string&,
                                        size_t, const std::string&);
template std::vector<double> read_values(const ordered_json&,
                                         const std::string&, size_t,
                                         const std::string&);

ordered_json answers_json(const Answers& answers, bool counts) {
  ordered_json json = ordered_json::object();
  if (answers.terms.empty()) return json;
  if (counts) {
    std::vector<bool> right;
    for (double term : answers.terms) right.push_back(term > 0);
    json["right"] = bits_json(right);
  } else {
    json["terms"] = values_json(answers.terms);
  }
  json["margins"] = values_json(answers.margins);
  return json;
}

Answers read_answers(const ordered_json& record, int64_t examples, bool counts,
                     const std::string& where) {
  Answers answers;
  if (examples == 0) return answers;
  const auto count = static_cast<size_t>(examples);
  if (counts) {
    for (bool right : read_bits(record, "right", count, where)) {
      answers.terms.push_back(right ? 1 : 0);
    }
  } else {
    answers.terms = read_values<double>(record, "terms", count, where);
  }
  answers.margins = read_values<float>(record, "margins", count, where);
  return answers;
}

ordered_json number_json(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

double read_number(const ordered_json& record, const std::string& key,
                   const std::string& where) {
  if (record.contains(key) && record[key].is_string()) {
    return std::strtod(record[key].get<std::string>().c_str(), nullptr);
  }
  return get_as<double>(record, key, where);
}

}  // namespace soup
