#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "search/trial.h"
#include "soup/search.h"

/// What a model said of every example as part of a journal's record:
///   right    (metrics that count) bit i % 8, from the lowest, of byte i / 8 is
///            1 where the model was right on example i; base64
///   terms    (other metrics) float64, little-endian, by example; base64
///   margins  float32, little-endian, by example; base64
///   seen_examples  of what was cut short: as `right`, 1 where the example was
///            looked at
namespace soup {

nlohmann::ordered_json answers_json(const Answers& answers, bool counts);
/// `where` names the record in messages.
/// Throws Error when the record is not of `examples` examples.
Answers read_answers(const nlohmann::ordered_json& record, int64_t examples,
                     bool counts, const std::string& where);

/// A model's score on one data set.
nlohmann::ordered_json score_record(const Score& score);
Score read_score(const nlohmann::ordered_json& record,
                 const Evaluator& evaluator, const std::string& where);

/// Scores and answers on all of a panel's data; `guards` holds those on its
/// guards, as records of the same form.
nlohmann::ordered_json incumbent_record(const Panel& panel,
                                        const Incumbent& incumbent);
Incumbent read_incumbent(const Panel& panel,
                         const nlohmann::ordered_json& record,
                         const std::string& where);

/// What a comparison found, without what describes it to people.
nlohmann::ordered_json trial_record(const Panel& panel, const Trial& trial);
Trial read_trial(const Panel& panel, const nlohmann::ordered_json& record,
                 const std::string& where);

std::string bits_json(const std::vector<bool>& bits);
std::vector<bool> read_bits(const nlohmann::ordered_json& record,
                            const std::string& key, size_t count,
                            const std::string& where);

/// Numbers (int32_t, float, double), little-endian; base64.
template <typename T>
std::string values_json(const std::vector<T>& values);
template <typename T>
std::vector<T> read_values(const nlohmann::ordered_json& record,
                           const std::string& key, size_t count,
                           const std::string& where);

/// JSON has no infinity: such a number is text.
nlohmann::ordered_json number_json(double value);
double read_number(const nlohmann::ordered_json& record, const std::string& key,
                   const std::string& where);

}  // namespace soup
