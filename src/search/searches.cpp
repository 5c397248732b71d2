#include "search/searches.h"

#include <array>

#include "core/table.h"
#include "soup/search.h"

namespace soup {
namespace {

constexpr std::array kSearches = {
    Search{"uniform", "average every checkpoint", false, uniform},
    Search{"greedy", "best first, keep what does not hurt the held-out score",
           true, greedy},
};

}  // namespace

std::span<const Search> searches() { return kSearches; }

const Search& find_search(const std::string& name) {
  return find_row(searches(), name, "search");
}

}  // namespace soup
