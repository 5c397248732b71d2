#include <sstream>

#include "soup/error.h"
#include "soup/eval.h"

namespace soup {
namespace {

std::vector<std::string> gpus_from(int64_t count) {
  std::vector<std::string> all;
  for (int64_t i = 0; i < count; ++i) {
    all.push_back("cuda:" + std::to_string(i));
  }
  return all;
}

// "cuda:0,2"; anything else is one device.
std::vector<std::string> listed(const std::string& wanted) {
  constexpr std::string_view kind = "cuda:";
  if (!wanted.starts_with(kind)) return {wanted};
  std::vector<std::string> all;
  std::istringstream numbers(wanted.substr(kind.size()));
  for (std::string one; std::getline(numbers, one, ',');) {
    all.push_back(std::string(kind) + one);
    for (size_t i = 0; i + 1 < all.size(); ++i) {
      if (all[i] == all.back()) {
        throw UsageError("--device " + wanted + ": names " + one + " twice");
      }
    }
  }
  return all;
}

}  // namespace

std::vector<std::string> devices_of(const std::string& wanted, int64_t gpus,
                                    const Launch& launch) {
  const bool alone = launch.size == 1;
  const bool any = wanted == "all" || (!alone && wanted == "auto");
  std::vector<std::string> all;
  if (any && gpus == 0) {
    all = {"cpu"};
  } else if (any || (!alone && wanted == "cuda" && gpus > 0)) {
    all = gpus_from(gpus);
  } else {
    all = listed(wanted);
  }
  if (alone) return all;
  return {all[static_cast<size_t>(launch.local_rank) % all.size()]};
}

}  // namespace soup
