#pragma once

#include <cstdint>

/// Exact statistics of counts.
namespace soup {

/// Bounds of a share.
struct Interval {
  double low = 0;
  double high = 1;
};

/// The 95 % interval of Clopper and Pearson (The use of confidence or fiducial
/// limits illustrated in the case of the binomial, 1934) for the chance of
/// success, of `correct` successes in `count` > 0 trials.
Interval binomial_interval(int64_t correct, int64_t count);

/// Exact two-sided p-value of McNemar's test (Note on the sampling error of the
/// difference between correlated proportions or percentages, 1947) for two
/// raters of the same examples: `only_a` that only the first got right and
/// `only_b` that only the second did. 1 when there are none.
double mcnemar_p_value(int64_t only_a, int64_t only_b);

}  // namespace soup
