#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <vector>

/// The searches once more, as their definitions say it and with full passes
/// only, on tables of whole-numbered margins: a soup is right where the sum of
/// its ingredients' margins is positive. Shares no code with src/search.
namespace soup::testing {

using Margins = std::vector<std::vector<int>>;  ///< [model][example]

struct ReferenceOptions {
  bool accept_equal = true;
  int64_t min_gain = 0;
  double alpha = 1;
  size_t most = SIZE_MAX;  ///< ingredients
  int64_t sweeps = 1;      ///< 0: until nothing changes
};

class ReferenceSearch {
 public:
  /// `guard`: margins on the data that must not drop; empty: none.
  ReferenceSearch(Margins primary, Margins guard, ReferenceOptions options)
      : primary_(std::move(primary)),
        guard_(std::move(guard)),
        options_(options) {}

  /// Every decision made, in order.
  std::vector<bool> decisions;

  std::vector<size_t> by_score() const {
    std::vector<size_t> order(primary_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return correct(primary_, {a}) > correct(primary_, {b});
    });
    return order;
  }

  std::vector<size_t> greedy(const std::vector<size_t>& order) {
    std::vector<size_t> soup = {order.front()};
    std::vector<size_t> rest(order.begin() + 1, order.end());
    for (int64_t sweep = 0; sweep < std::max<int64_t>(options_.sweeps, 1);
         ++sweep) {
      std::vector<size_t> rejected;
      for (size_t next : rest) {
        if (soup.size() >= options_.most) break;
        std::vector<size_t> larger = soup;
        larger.push_back(next);
        if (!take(soup, larger)) rejected.push_back(next);
      }
      if (rejected.size() == rest.size() || soup.size() >= options_.most) break;
      rest = rejected;
    }
    return soup;
  }

  std::vector<size_t> pruned(std::vector<size_t> visits) {
    std::vector<size_t> soup(primary_.size());
    std::iota(soup.begin(), soup.end(), size_t{0});
    for (int64_t sweep = 0; options_.sweeps == 0 || sweep < options_.sweeps;
         ++sweep) {
      const size_t before = soup.size();
      const std::vector<size_t> now = visits;
      for (size_t out : now) {
        if (soup.size() == 1) return soup;
        std::vector<size_t> smaller = soup;
        std::erase(smaller, out);
        if (take(soup, smaller)) std::erase(visits, out);
      }
      if (soup.size() == before) break;
    }
    return soup;
  }

  std::vector<size_t> replacement(const std::vector<size_t>& order) {
    std::vector<size_t> soup = {order.front()};
    while (soup.size() < options_.most) {
      std::vector<size_t> best;
      int64_t most = 0;
      for (size_t next : order) {
        if (soup == std::vector<size_t>{next}) continue;
        std::vector<size_t> larger = soup;
        larger.push_back(next);
        const int64_t gain =
            correct(primary_, larger) - correct(primary_, soup);
        const bool leads = gain > most && accepts(soup, larger);
        decisions.push_back(leads);
        if (!leads) continue;
        best = larger;
        most = gain;
      }
      if (best.empty()) break;
      soup = best;
    }
    return soup;
  }

  int64_t score(const std::vector<size_t>& soup) const {
    return correct(primary_, soup);
  }

 private:
  static std::vector<bool> right(const Margins& margins,
                                 const std::vector<size_t>& soup) {
    std::vector<bool> out(margins.front().size());
    for (size_t i = 0; i < out.size(); ++i) {
      int sum = 0;
      for (size_t model : soup) sum += margins[model][i];
      out[i] = sum > 0;
    }
    return out;
  }

  static int64_t correct(const Margins& margins,
                         const std::vector<size_t>& soup) {
    const std::vector<bool> all = right(margins, soup);
    return std::count(all.begin(), all.end(), true);
  }

  // Sum of binomials, each from the one before.
  static double p_value(int64_t gains, int64_t losses) {
    const int64_t n = gains + losses;
    double term = 1;
    for (int64_t i = 0; i < n; ++i) term /= 2;
    double tail = 0;
    for (int64_t k = 0; k <= std::min(gains, losses); ++k) {
      tail += term;
      term *= static_cast<double>(n - k) / static_cast<double>(k + 1);
    }
    return std::min(1.0, 2 * tail);
  }

  bool accepts(const std::vector<size_t>& before,
               const std::vector<size_t>& after) const {
    const std::vector<bool> was = right(primary_, before);
    const std::vector<bool> is = right(primary_, after);
    int64_t gains = 0;
    int64_t losses = 0;
    for (size_t i = 0; i < was.size(); ++i) {
      gains += is[i] && !was[i];
      losses += was[i] && !is[i];
    }
    const int64_t needed =
        std::max<int64_t>(options_.accept_equal ? 0 : 1, options_.min_gain);
    if (gains - losses < needed) return false;
    if (options_.alpha < 1 &&
        (gains <= losses || p_value(gains, losses) >= options_.alpha)) {
      return false;
    }
    return guard_.empty() || correct(guard_, after) >= correct(guard_, before);
  }

  bool take(std::vector<size_t>& soup, const std::vector<size_t>& next) {
    const bool accepted = accepts(soup, next);
    decisions.push_back(accepted);
    if (accepted) soup = next;
    return accepted;
  }

  Margins primary_;
  Margins guard_;
  ReferenceOptions options_;
};

}  // namespace soup::testing
