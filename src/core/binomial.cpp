#include "core/binomial.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>

namespace soup {

using Binomial = boost::math::binomial_distribution<double>;

Interval binomial_interval(int64_t correct, int64_t count) {
  constexpr double kTail = 0.025;
  const auto trials = static_cast<double>(count);
  const auto successes = static_cast<double>(correct);
  return {Binomial::find_lower_bound_on_p(trials, successes, kTail),
          Binomial::find_upper_bound_on_p(trials, successes, kTail)};
}

double mcnemar_p_value(int64_t only_a, int64_t only_b) {
  if (only_a == only_b) return 1;  // where the two tails overlap
  const Binomial fair(static_cast<double>(only_a + only_b), 0.5);
  const auto fewer = static_cast<double>(std::min(only_a, only_b));
  return 2 * boost::math::cdf(fair, fewer);
}

}  // namespace soup
