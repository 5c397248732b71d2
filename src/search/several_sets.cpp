#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "soup/error.h"
#include "soup/search.h"

namespace soup {
namespace {

/// Decimal shares as whole numbers in the same proportion.
std::vector<int64_t> whole_shares(std::vector<double> shares) {
  constexpr int kDigits = 6;
  for (int digit = 0; digit <= kDigits; ++digit) {
    const bool whole =
        std::all_of(shares.begin(), shares.end(), [](double share) {
          return share < 1e9 && std::abs(share - std::round(share)) < 1e-9 &&
                 std::round(share) > 0;
        });
    if (whole) {
      std::vector<int64_t> found;
      for (const double share : shares) found.push_back(std::llround(share));
      return found;
    }
    for (double& share : shares) share *= 10;
  }
  throw UsageError(
      "--val: weights lie between 0.000001 and 1000000000 and "
      "have at most six decimals");
}

/// Several data sets as one. An example of a set with share s of n examples
/// counts s / n, so that the mean of all terms is the weighted mean of scores;
/// where terms are counts, all of these are scaled to whole numbers.
class SeveralSets : public Evaluator {
 public:
  SeveralSets(std::span<const std::unique_ptr<Evaluator>> sets,
              std::vector<double> shares)
      : shares_(std::move(shares)) {
    const double sum = std::accumulate(shares_.begin(), shares_.end(), 0.0);
    for (const auto& set : sets) {
      sets_.push_back(set.get());
      begins_.push_back(count_);
      count_ += set->examples();
    }
    for (size_t s = 0; s < sets_.size(); ++s) {
      const std::string share = short_text(shares_[s]);
      name_ += (s > 0 ? " + " : "") + sets_[s]->dataset() +
               (share == "1" ? "" : "=" + share);
      weights_.push_back(shares_[s] / sum * static_cast<double>(count_) /
                         static_cast<double>(sets_[s]->examples()));
    }
    if (counts()) make_whole();
  }

  const std::string& dataset() const override { return name_; }
  int64_t examples() const override { return count_; }
  bool counts() const override { return sets_.front()->counts(); }
  bool weighted() const override { return true; }
  bool higher_is_better() const override {
    return sets_.front()->higher_is_better();
  }
  std::optional<TermRange> terms() const override {
    return sets_.front()->terms();
  }
  double weight(int64_t example) const override {
    return weights_[set_of(example)];
  }
  std::string path(int64_t example) const override {
    const size_t s = set_of(example);
    return sets_[s]->path(example - begins_[s]);
  }
  std::map<std::string, std::string> identity() const override {
    std::map<std::string, std::string> all = {{"data set", name_}};
    for (const Evaluator* set : sets_) {
      for (const auto& [key, value] : set->identity()) {
        all[set->dataset() + "'s " + key] = value;
      }
    }
    return all;
  }

  int64_t batch_size() const override { return sets_.front()->batch_size(); }

  bool look(const Checkpoint& weights,
            const EvaluateOptions& options) override {
    std::vector<int64_t> order(options.order.begin(), options.order.end());
    if (order.empty()) {
      order.resize(static_cast<size_t>(count_));
      std::iota(order.begin(), order.end(), 0);
    }
    // A few batches of each set: what is asked for first comes first, yet
    // units are full.
    const auto few = 4 * static_cast<size_t>(batch_size()) * sets_.size();
    const bool in_turn = std::is_sorted(order.begin(), order.end());
    const size_t block = in_turn || !terms() ? order.size() : few;
    bool loaded = options.loaded;
    for (size_t begin = 0; begin < order.size(); begin += block) {
      const auto part = std::span(order).subspan(
          begin, std::min(block, order.size() - begin));
      if (!look_at(part, weights, options, loaded)) return false;
    }
    return true;
  }

  Score summarize(const std::filesystem::path& path,
                  std::vector<Verdict> verdicts) const override {
    // The same sum for every order.
    std::sort(verdicts.begin(), verdicts.end(),
              [](const Verdict& a, const Verdict& b) {
                return a.example < b.example;
              });
    std::vector<std::vector<Verdict>> by_set(sets_.size());
    for (Verdict verdict : verdicts) {
      const size_t s = set_of(verdict.example);
      verdict.example -= begins_[s];
      by_set[s].push_back(verdict);
    }
    return score_of(path, by_set);
  }

 private:
  static std::string short_text(double share) {
    std::string text = std::to_string(share);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  }

  // s / n in proportion: s * lcm(n) / n, reduced.
  void make_whole() {
    const std::vector<int64_t> shares = whole_shares(shares_);
    int64_t multiple = 1;
    for (const Evaluator* set : sets_) {
      const int64_t factor =
          set->examples() / std::gcd(multiple, set->examples());
      if (__builtin_mul_overflow(multiple, factor, &multiple)) fail();
    }
    std::vector<int64_t> whole(sets_.size());
    int64_t divisor = 0;
    for (size_t s = 0; s < sets_.size(); ++s) {
      const int64_t each = multiple / sets_[s]->examples();
      if (__builtin_mul_overflow(shares[s], each, &whole[s])) fail();
      divisor = std::gcd(divisor, whole[s]);
    }
    // Sums of all must be exact in float64, too.
    double sum = 0;
    for (size_t s = 0; s < sets_.size(); ++s) {
      whole[s] /= divisor;
      weights_[s] = static_cast<double>(whole[s]);
      sum += weights_[s] * static_cast<double>(sets_[s]->examples());
    }
    if (sum > 9e15) fail();
  }

  [[noreturn]] static void fail() {
    throw UsageError(
        "--val: no exact weighted mean of data sets of these sizes with these "
        "weights; give weights with fewer digits");
  }

  size_t set_of(int64_t example) const {
    const auto after =
        std::upper_bound(begins_.begin(), begins_.end(), example);
    return static_cast<size_t>(after - begins_.begin()) - 1;
  }

  /// Looks at `part`, set by set; false when the watch stops.
  /// `loaded`: as of EvaluateOptions, from now on true.
  bool look_at(std::span<const int64_t> part, const Checkpoint& weights,
               const EvaluateOptions& options, bool& loaded) {
    std::vector<std::vector<int64_t>> orders(sets_.size());
    for (const int64_t example : part) {
      const size_t s = set_of(example);
      orders[s].push_back(example - begins_[s]);
    }
    for (size_t s = 0; s < sets_.size(); ++s) {
      if (orders[s].empty()) continue;
      EvaluateOptions one{.order = orders[s],
                          .progress = options.progress,
                          .loaded = std::exchange(loaded, true)};
      one.watch = [&](std::span<const Verdict> batch) {
        std::vector<Verdict> moved(batch.begin(), batch.end());
        for (Verdict& verdict : moved) verdict.example += begins_[s];
        return !options.watch || options.watch(moved);
      };
      if (!sets_[s]->look(weights, one)) return false;
    }
    return true;
  }

  Score score_of(const std::filesystem::path& path,
                 std::span<const std::vector<Verdict>> by_set) const {
    Score score{.dataset = name_,
                .metric = {},
                .correct = {},
                .higher_is_better = higher_is_better()};
    double sum = 0;
    double total = 0;
    double variance = 0;
    for (size_t s = 0; s < sets_.size(); ++s) {
      const std::vector<Verdict>& verdicts = by_set[s];
      if (verdicts.empty()) continue;
      const Score whole = sets_[s]->summarize(path, verdicts);
      const auto n = static_cast<double>(verdicts.size());
      double own = 0;
      for (const Verdict& verdict : verdicts) own += verdict.term;
      const double mean = terms() ? own / n : whole.value;
      double squares = 0;
      for (const Verdict& verdict : verdicts) {
        squares += (verdict.term - mean) * (verdict.term - mean);
      }
      sum += weights_[s] * (terms() ? own : mean * n);
      total += weights_[s] * n;
      if (n > 1) variance += weights_[s] * weights_[s] * squares * n / (n - 1);
      score.metric = whole.metric;
      score.count += std::ssize(verdicts);
    }
    score.value = sum / total;
    if (terms()) score.standard_error = std::sqrt(variance) / total;
    return score;
  }

  std::vector<Evaluator*> sets_;
  std::vector<double> shares_;
  std::vector<double> weights_;  ///< of an example, by set
  std::vector<int64_t> begins_;  ///< first example, by set
  int64_t count_ = 0;
  std::string name_;
};

}  // namespace

std::unique_ptr<Evaluator> make_weighted_mean(
    std::span<const std::unique_ptr<Evaluator>> sets,
    std::span<const double> shares) {
  return std::make_unique<SeveralSets>(
      sets, std::vector<double>(shares.begin(), shares.end()));
}

}  // namespace soup
