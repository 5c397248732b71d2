#include "recipe/merge_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kMaxComplaints = 50;

struct Word {
  std::string_view text;
  double value;
};
// Those of YAML 1.1.
constexpr std::array kTruths = {
    Word{"true", 1}, Word{"True", 1},  Word{"TRUE", 1},  Word{"yes", 1},
    Word{"Yes", 1},  Word{"YES", 1},   Word{"on", 1},    Word{"On", 1},
    Word{"ON", 1},   Word{"false", 0}, Word{"False", 0}, Word{"FALSE", 0},
    Word{"no", 0},   Word{"No", 0},    Word{"NO", 0},    Word{"off", 0},
    Word{"Off", 0},  Word{"OFF", 0}};

std::optional<double> truth(const std::string& text) {
  for (const Word& word : kTruths) {
    if (word.text == text) return word.value;
  }
  return std::nullopt;
}

bool is_truth(const YamlNode& node) {
  return node.is_scalar() && !node.quoted && truth(node.text);
}

// A number or a gradient, into `choice`.
bool read_values(const YamlNode& node, const std::string& name, bool strict,
                 Choice& choice, Complaints& complaints) {
  const auto one = [&](const YamlNode& value) {
    const std::optional<double> number = read_number(value, strict);
    if (!number) {
      complaints.add(
          value.line,
          "'" + printable(name) + "' must be a number, not " + describe(value));
      return false;
    }
    if (!std::isfinite(*number)) {
      complaints.add(value.line, "'" + printable(name) +
                                     "' must be a finite number, not " +
                                     describe(value));
      return false;
    }
    choice.values.push_back(*number);
    choice.steps = choice.steps || is_truth(value);
    return true;
  };
  if (!node.is_list()) return one(node);
  bool good = true;
  for (const YamlNode& item : node.items) good = one(item) && good;
  return good && !choice.values.empty();
}

bool is_filter(const YamlNode& node) { return node.is_map(); }

void read_choice(const YamlNode& node, const std::string& name, bool strict,
                 Parameter& parameter, Complaints& complaints) {
  Choice choice = {.filter = {}, .values = {}, .line = node.line};
  for (const auto& [key, value] : node.entries) {
    if (key != "filter" && key != "value") {
      complaints.add(value.line, "'" + printable(name) + "': unknown key '" +
                                     printable(key) +
                                     "'; there is: filter, value");
    }
  }
  if (const YamlNode* filter = node.find("filter");
      filter != nullptr && !filter->is_null()) {
    if (!filter->is_scalar()) {
      complaints.add(filter->line,
                     "'filter' must be text, not " + describe(*filter));
      return;
    }
    choice.filter = filter->text == "*" ? "" : filter->text;
  }
  const YamlNode* value = node.find("value");
  if (value == nullptr) {
    complaints.add(node.line,
                   "'" + printable(name) + "': a filter without 'value'");
    return;
  }
  if (read_values(*value, name, strict, choice, complaints)) {
    parameter.choices.push_back(std::move(choice));
  }
}

YamlNode node_of_values(const Choice& choice) {
  const auto one = [&](double value) {
    if (!choice.steps) return YamlNode::number(value);
    YamlNode node = YamlNode::string(value != 0 ? "true" : "false");
    node.quoted = false;
    return node;
  };
  if (choice.values.size() == 1) return one(choice.values.front());
  YamlNode list = YamlNode::list();
  for (double value : choice.values) list.items.push_back(one(value));
  return list;
}

}  // namespace

void Complaints::add(int line, const std::string& what) {
  add_missing(line, what);
  wrong_ = true;
}

void Complaints::add_missing(int line, const std::string& what) {
  if (++count_ <= kMaxComplaints) said_.emplace_back(line, what);
}

void Complaints::check() const {
  if (count_ == 0) return;
  auto said = said_;
  std::stable_sort(said.begin(), said.end(), [](const auto& a, const auto& b) {
    return a.first < b.first;
  });
  std::vector<std::string> lines;
  for (const auto& [line, what] : said) {
    lines.push_back(where_ + (line > 0 ? ":" + std::to_string(line) : "") +
                    ": " + what);
  }
  if (count_ > said.size()) lines.emplace_back("...");
  const std::string message =
      count_ == 1
          ? lines.front()
          : std::to_string(count_) + " mistakes:\n  " + join(lines, "\n  ");
  if (wrong_) throw UsageError(message);
  throw Error(message);
}

bool filter_matches(const std::string& filter, std::string_view name) {
  return filter.empty() || filter == "*" ||
         name.find(filter) != std::string_view::npos;
}

std::optional<double> Parameter::value(std::string_view name, double t) const {
  for (const Choice& choice : choices) {
    if (choice.values.empty() || !filter_matches(choice.filter, name)) continue;
    choice.used = true;
    const size_t n = choice.values.size();
    if (n == 1) return choice.values.front();
    const double place = t * static_cast<double>(n - 1);
    const size_t i = std::min(static_cast<size_t>(place), n - 1);
    const double part = place - static_cast<double>(i);
    if (choice.steps || part == 0 || i + 1 == n) return choice.values[i];
    return (1 - part) * choice.values[i] + part * choice.values[i + 1];
  }
  return std::nullopt;
}

std::optional<double> read_number(const YamlNode& node, bool strict) {
  if (!node.is_scalar() || (strict && node.quoted)) return std::nullopt;
  if (!node.quoted) {
    if (const auto value = truth(node.text)) return value;
  }
  std::string_view text = node.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  for (const char* special : {".inf", "-.inf", ".nan", ".NaN", ".Inf"}) {
    if (text == special) return std::nan("");
  }
  return std::nullopt;
}

Parameter read_parameter(const YamlNode& node, const std::string& name,
                         bool strict, Complaints& complaints) {
  Parameter parameter;
  if (is_filter(node)) {
    read_choice(node, name, strict, parameter, complaints);
    return parameter;
  }
  const bool filters =
      node.is_list() &&
      std::any_of(node.items.begin(), node.items.end(), is_filter);
  if (!filters) {
    Choice choice = {.filter = {}, .values = {}, .line = node.line};
    if (node.is_list() && node.items.empty()) return parameter;
    if (read_values(node, name, strict, choice, complaints)) {
      parameter.choices.push_back(std::move(choice));
    }
    return parameter;
  }
  for (const YamlNode& item : node.items) {
    if (is_filter(item)) {
      read_choice(item, name, strict, parameter, complaints);
    } else {
      complaints.add(item.line, "'" + printable(name) +
                                    "' mixes numbers and filters; give each "
                                    "as {filter: ..., value: ...}");
    }
  }
  return parameter;
}

YamlNode node_of(const Parameter& parameter) {
  if (parameter.choices.size() == 1 && parameter.choices[0].filter.empty()) {
    return node_of_values(parameter.choices[0]);
  }
  YamlNode list = YamlNode::list();
  for (const Choice& choice : parameter.choices) {
    YamlNode entry = YamlNode::map();
    if (!choice.filter.empty()) {
      entry.set("filter", YamlNode::string(choice.filter));
    }
    entry.set("value", node_of_values(choice));
    list.items.push_back(std::move(entry));
  }
  return list;
}

}  // namespace soup
