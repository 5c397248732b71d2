#include "soup/eval.h"

namespace soup {

bool is_better(const Score& a, const Score& b, bool strict) {
  const bool counts = a.correct && b.correct && a.count == b.count;
  if (!counts) {
    // Written so that a score that is not a number is never better.
    const double x = a.higher_is_better ? a.value : -a.value;
    const double y = a.higher_is_better ? b.value : -b.value;
    return strict ? x > y : x >= y;
  }
  const int64_t x = a.higher_is_better ? *a.correct : -*a.correct;
  const int64_t y = a.higher_is_better ? *b.correct : -*b.correct;
  return strict ? x > y : x >= y;
}

}  // namespace soup
