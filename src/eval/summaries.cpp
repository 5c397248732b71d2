#include "eval/summaries.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

namespace soup {
namespace {

/// One class in the table of labels against predictions.
struct ClassCount {
  int64_t labels = 0;
  int64_t predictions = 0;
  int64_t both = 0;
};

// By class; -1 stands for examples without a prediction.
std::map<int32_t, ClassCount> count_classes(std::span<const Verdict> verdicts) {
  std::map<int32_t, ClassCount> classes;
  for (const Verdict& verdict : verdicts) {
    ++classes[verdict.label].labels;
    ++classes[verdict.prediction].predictions;
    if (verdict.label == verdict.prediction) ++classes[verdict.label].both;
  }
  return classes;
}

double f1(const ClassCount& n) {
  return 2 * static_cast<double>(n.both) /
         static_cast<double>(n.labels + n.predictions);
}

}  // namespace

double class_accuracy(std::span<const Verdict> verdicts, int64_t /*bins*/) {
  double sum = 0;
  int64_t count = 0;
  for (const auto& [label, n] : count_classes(verdicts)) {
    if (n.labels == 0) continue;
    sum += static_cast<double>(n.both) / static_cast<double>(n.labels);
    ++count;
  }
  return sum / static_cast<double>(count);
}

double macro_f1(std::span<const Verdict> verdicts, int64_t /*bins*/) {
  double sum = 0;
  int64_t count = 0;
  for (const auto& [label, n] : count_classes(verdicts)) {
    if (label < 0) continue;
    sum += f1(n);
    ++count;
  }
  return sum / static_cast<double>(count);
}

double f1_of_class_1(std::span<const Verdict> verdicts, int64_t /*bins*/) {
  const auto classes = count_classes(verdicts);
  const auto found = classes.find(1);
  return found == classes.end() ? 0 : f1(found->second);
}

double accuracy_and_f1(std::span<const Verdict> verdicts, int64_t /*bins*/) {
  const auto right =
      std::count_if(verdicts.begin(), verdicts.end(),
                    [](const Verdict& v) { return v.label == v.prediction; });
  const double accuracy =
      static_cast<double>(right) / static_cast<double>(verdicts.size());
  return (accuracy + f1_of_class_1(verdicts)) / 2;
}

double matthews_correlation(std::span<const Verdict> verdicts,
                            int64_t /*bins*/) {
  const auto all = static_cast<double>(verdicts.size());
  double right = 0;
  double chance = 0;  // all squared times the share expected to agree
  double labels = 0;
  double predictions = 0;
  for (const auto& [label, n] : count_classes(verdicts)) {
    const auto t = static_cast<double>(n.labels);
    const auto p = static_cast<double>(n.predictions);
    right += static_cast<double>(n.both);
    chance += t * p;
    labels += t * t;
    predictions += p * p;
  }
  const double spread = (all * all - labels) * (all * all - predictions);
  return spread > 0 ? (right * all - chance) / std::sqrt(spread) : 0;
}

double calibration_error(std::span<const Verdict> verdicts, int64_t bins) {
  std::vector<Verdict> sorted(verdicts.begin(), verdicts.end());
  const auto is_nan = [](const Verdict& v) { return std::isnan(v.term); };
  if (std::any_of(sorted.begin(), sorted.end(), is_nan)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  std::stable_sort(
      sorted.begin(), sorted.end(),
      [](const Verdict& a, const Verdict& b) { return a.term < b.term; });
  double sum = 0;
  size_t begin = 0;
  // More bins than examples are empty ones.
  const auto count = static_cast<size_t>(std::min(bins, std::ssize(sorted)));
  for (size_t bin = 0; bin < count; ++bin) {
    const size_t size =
        sorted.size() / count + (bin < sorted.size() % count ? 1 : 0);
    double gap = 0;  // examples right less the sum of confidences
    for (const Verdict& v : std::span(sorted).subspan(begin, size)) {
      gap += (v.label == v.prediction ? 1 : 0) - v.term;
    }
    sum += std::abs(gap);
    begin += size;
  }
  return sum / static_cast<double>(sorted.size());
}

}  // namespace soup
