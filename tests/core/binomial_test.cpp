#include "core/binomial.h"

#include <gtest/gtest.h>

#include <string>

#include "core/file.h"
#include "core/json.h"

namespace soup {
namespace {

// Values of scripts/make_score_references.py.
nlohmann::ordered_json references(const char* key) {
  const std::string file = std::string(SOUP_TEST_DATA) + "/scores.json";
  return parse_json(read_text(file, 1 << 20), file).at(key);
}

TEST(Binomial, IntervalsAreSciPys) {
  const auto cases = references("intervals");
  ASSERT_FALSE(cases.empty());
  for (const auto& expected : cases) {
    const Interval found = binomial_interval(expected["correct"].get<int64_t>(),
                                             expected["count"].get<int64_t>());
    EXPECT_NEAR(found.low, expected["low"].get<double>(), 1e-10) << expected;
    EXPECT_NEAR(found.high, expected["high"].get<double>(), 1e-10) << expected;
  }
}

TEST(Binomial, PValuesAreSciPys) {
  const auto cases = references("paired");
  ASSERT_FALSE(cases.empty());
  for (const auto& expected : cases) {
    const double p = mcnemar_p_value(expected["only_a"].get<int64_t>(),
                                     expected["only_b"].get<int64_t>());
    const auto by_scipy = expected["p_value"].get<double>();
    EXPECT_NEAR(p, by_scipy, 1e-9 * by_scipy) << expected;
  }
}

}  // namespace
}  // namespace soup
