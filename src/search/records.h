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
///   seen     of candidates that were cut short: as `right`, 1 where the
///            example was looked at
namespace soup {

nlohmann::ordered_json answers_json(const Answers& answers, bool counts);
/// `where` names the record in messages.
/// Throws Error when the record is not of `examples` examples.
Answers read_answers(const nlohmann::ordered_json& record, int64_t examples,
                     bool counts, const std::string& where);

std::string bits_json(const std::vector<bool>& bits);
std::vector<bool> read_bits(const nlohmann::ordered_json& record,
                            const std::string& key, size_t count,
                            const std::string& where);

/// JSON has no infinity: such a number is text.
nlohmann::ordered_json number_json(double value);
double read_number(const nlohmann::ordered_json& record, const std::string& key,
                   const std::string& where);

}  // namespace soup
