#include "search/coefficients.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <numeric>

namespace soup {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
  });
}

std::string block_of(const std::string& name) {
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    if (is_number(std::string_view(name).substr(begin, end - begin))) {
      return name.substr(0, end);
    }
    begin = end + 1;
  }
  return name.substr(0, name.rfind('.'));
}

bool is_learned(const PlannedTensor& tensor) {
  return tensor.rule != nullptr && tensor.rule->weighted &&
         is_float(tensor.out.dtype);
}

}  // namespace

std::vector<Group> groups_of(const Plan& plan, Share share) {
  std::vector<Group> groups;
  std::map<std::string, size_t> known;
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    if (!is_learned(plan.tensors[t])) continue;
    const std::string& name = plan.tensors[t].out.name;
    const std::string key = share == Share::kModel   ? ""
                            : share == Share::kLayer ? block_of(name)
                                                     : name;
    const auto [found, fresh] = known.emplace(key, groups.size());
    if (fresh) groups.push_back({.name = key, .tensors = {}});
    groups[found->second].tensors.push_back(t);
  }
  return groups;
}

Table Coefficients::of(const Table& free) const {
  const double mean = 1.0 / static_cast<double>(ingredients_);
  Table made(free.size());
  for (size_t begin = 0; begin < free.size(); begin += ingredients_) {
    const auto in = std::span(free).subspan(begin, ingredients_);
    const auto out = std::span(made).subspan(begin, ingredients_);
    double sum = 0;
    if (affine()) {
      for (size_t i = 0; i < ingredients_; ++i) {
        const double distance = distances_[begin + i];
        out[i] = distance > 0 ? in[i] / distance : 0;
        sum += out[i];
      }
      for (double& value : out) value += (1 - sum) * mean;
      continue;
    }
    const double largest = *std::max_element(in.begin(), in.end());
    for (size_t i = 0; i < ingredients_; ++i) {
      out[i] = std::exp(in[i] - largest);
      sum += out[i];
    }
    for (double& value : out) value /= sum;
  }
  return made;
}

Table Coefficients::slope(const Table& free,
                          const Table& by_coefficients) const {
  const Table now = affine() ? Table() : of(free);
  Table made(free.size());
  for (size_t begin = 0; begin < free.size(); begin += ingredients_) {
    const auto by = std::span(by_coefficients).subspan(begin, ingredients_);
    double mean = 0;
    for (size_t i = 0; i < ingredients_; ++i) {
      mean += affine() ? by[i] / static_cast<double>(ingredients_)
                       : now[begin + i] * by[i];
    }
    for (size_t i = 0; i < ingredients_; ++i) {
      const double apart = by[i] - mean;
      if (!affine()) {
        made[begin + i] = now[begin + i] * apart;
      } else if (distances_[begin + i] > 0) {
        made[begin + i] = apart / distances_[begin + i];
      }
    }
  }
  return made;
}

void Adam::step(std::vector<double>& values, std::span<const double> slope,
                double rate) {
  constexpr double kFirst = 0.9;
  constexpr double kSecond = 0.999;
  constexpr double kEps = 1e-8;
  first.resize(values.size());
  second.resize(values.size());
  ++steps;
  const auto n = static_cast<double>(steps);
  const double size = rate / (1 - std::pow(kFirst, n));
  const double root = std::sqrt(1 - std::pow(kSecond, n));
  for (size_t i = 0; i < values.size(); ++i) {
    first[i] = kFirst * first[i] + (1 - kFirst) * slope[i];
    second[i] = kSecond * second[i] + (1 - kSecond) * slope[i] * slope[i];
    values[i] -= size * first[i] / (std::sqrt(second[i]) / root + kEps);
  }
}

}  // namespace soup
