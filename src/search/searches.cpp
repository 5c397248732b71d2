#include "search/searches.h"

#include <array>
#include <nlohmann/json.hpp>

#include "core/table.h"
#include "soup/search.h"

namespace soup {

using nlohmann::ordered_json;

namespace {

constexpr std::array kSearches = {
    Search{"uniform", "average every checkpoint", false, uniform},
    Search{"greedy", "best first, keep what does not hurt the held-out score",
           true, greedy},
    Search{"pruned", "start from all, leave out what does not help", true,
           pruned},
    Search{"replacement",
           "add the best of all again and again: whole-numbered weights", true,
           replacement},
    Search{"radin", "RADIN: score as soups the sets whose ensembles are best",
           true, radin},
    Search{"softmax", "weights of exp(-loss / temperature), one score each",
           true, softmax},
    Search{"learned", "mixing coefficients by gradient on held-out data", true,
           learned},
    Search{"stock", "Model Stock: from a base towards the mean, without data",
           false, uniform},
    Search{"trajectory", "weighted average of the checkpoints of one run",
           false, trajectory},
};

template <typename T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : nullptr;
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
    case Order::kFile:
      return "file";
  }
  return "";
}

std::string_view name(Share share) {
  switch (share) {
    case Share::kModel:
      return "model";
    case Share::kLayer:
      return "layer";
    case Share::kTensor:
      return "tensor";
  }
  return "";
}

ordered_json candidate_json(const Candidate& candidate) {
  ordered_json json = {{"kind", "candidate"},
                       {"step", candidate.step},
                       {"path", candidate.path.string()},
                       {"accepted", candidate.accepted},
                       {"gains", or_null(candidate.gains)},
                       {"losses", or_null(candidate.losses)},
                       {"p_value", or_null(candidate.p_value)},
                       {"seen", candidate.seen},
                       {"remaining", or_null(candidate.remaining)},
                       {"count", candidate.count},
                       {"value", or_null(candidate.value)},
                       {"best", candidate.best},
                       {"seconds", candidate.seconds}};
  if (candidate.ahead) json["ahead"] = *candidate.ahead;
  if (candidate.removes) json["removes"] = true;
  if (candidate.round) json["round"] = *candidate.round;
  if (candidate.seed) json["seed"] = *candidate.seed;
  if (candidate.early) json["early"] = true;
  if (!candidate.guard.empty()) json["guard"] = candidate.guard;
  for (const auto& path : candidate.set) json["set"].push_back(path.string());
  return json;
}

std::span<const Search> searches() { return kSearches; }

const Search& find_search(const std::string& name) {
  return find_row(searches(), name, "search");
}

}  // namespace soup
