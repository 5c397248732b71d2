#include "search/searches.h"

#include <array>
#include <nlohmann/json.hpp>

#include "core/table.h"
#include "soup/search.h"

namespace soup {
namespace {

constexpr std::array kSearches = {
    Search{"uniform", "average every checkpoint", false, uniform},
    Search{"greedy", "best first, keep what does not hurt the held-out score",
           true, greedy},
};

template <typename T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nullptr;
}

}  // namespace

std::string_view name(Order order) {
  switch (order) {
    case Order::kScore:
      return "score";
    case Order::kGiven:
      return "given";
    case Order::kRandom:
      return "random";
  }
  return "";
}

nlohmann::ordered_json candidate_json(const Candidate& candidate) {
  return {{"kind", "candidate"},
          {"step", candidate.step},
          {"path", candidate.path.string()},
          {"accepted", candidate.accepted},
          {"gains", or_null(candidate.gains)},
          {"losses", or_null(candidate.losses)},
          {"seen", candidate.seen},
          {"count", candidate.count},
          {"value", or_null(candidate.value)},
          {"best", candidate.best},
          {"seconds", candidate.seconds}};
}

std::span<const Search> searches() { return kSearches; }

const Search& find_search(const std::string& name) {
  return find_row(searches(), name, "search");
}

}  // namespace soup
