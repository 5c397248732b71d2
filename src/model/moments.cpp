#include <cmath>

#include "soup/model.h"

namespace soup {

// Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979.
void merge_moments(BatchMoments& into, const BatchMoments& more) {
  if (into.count == 0) {
    into = more;
    return;
  }
  const auto before = static_cast<double>(into.count);
  const auto added = static_cast<double>(more.count);
  const double total = before + added;
  for (size_t i = 0; i < into.mean.size(); ++i) {
    const double difference = more.mean[i] - into.mean[i];
    into.mean[i] += difference * added / total;
    into.squares[i] +=
        more.squares[i] + difference * difference * before * added / total;
  }
  into.count += more.count;
}

}  // namespace soup
