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

template <typename T>
std::string values_json(const std::vector<T>& values) {
  return base64(std::as_bytes(std::span(values)));
}

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

template <typename T>
std::vector<T> read_values(const ordered_json& record, const std::string& key,
                           size_t count, const std::string& where) {
  const auto bytes = read_bytes(record, key, count * sizeof(T), where);
  std::vector<T> values(count);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace

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
