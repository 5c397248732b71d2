#include "cli/steps.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "cli/describe.h"
#include "core/log.h"

namespace soup {
namespace {

std::string number(const std::optional<int64_t>& value) {
  return value ? std::to_string(*value) : std::string();
}

std::string verdict(const Candidate& candidate) {
  if (candidate.removes) return candidate.accepted ? "removed" : "kept";
  if (candidate.early) return "early";
  return candidate.accepted ? "accepted" : "rejected";
}

}  // namespace

Steps::Steps(const Output& output, ShortNames names, bool counts)
    : output_(output),
      names_(std::move(names)),
      counts_(counts),
      columns_{{"step", 4, true},
               {"candidate", std::max<size_t>(names_.widest(), 4), false},
               {"", 8, false},
               {"score", 9, true},
               {"gains", 6, true},
               {"losses", 6, true},
               {"p", 8, true},
               {"seen", 7, true},
               {"best", 9, true}} {}

void Steps::watch(SearchOptions& options) {
  options.on_score = [this](const std::filesystem::path& path,
                            const Score& score) { print(path, score); };
  options.on_candidate = [this](const Candidate& c) { print(c); };
  options.on_order = [this](const OrderResult& order) { print(order); };
  options.on_epoch = [this](const LearnedEpoch& epoch) { print(epoch); };
}

void Steps::print(const std::filesystem::path& path, const Score& score) const {
  output_.object(describe_score(path, score));
  if (output_.json()) return;
  log::info(names_.of(path) + ": " + score_text(score));
}

void Steps::print(const Candidate& candidate) {
  output_.object(candidate_json(candidate));
  if (!begun_) output_.line(table_head(columns_));
  begun_ = true;
  output_.line(table_row(columns_, cells(candidate)));
}

void Steps::print(const OrderResult& order) {
  orders_.push_back(order.score.value);
  output_.object({{"kind", "order"},
                  {"seed", order.seed},
                  {"dataset", order.score.dataset},
                  {"metric", order.score.metric},
                  {"value", order.score.value},
                  {"count", order.score.count},
                  {"ingredients", order.ingredients}});
  output_.line("order of seed " + std::to_string(order.seed) + ": " +
               score_text(order.score) + " with " +
               std::to_string(order.ingredients) + " ingredients");
}

void Steps::print(const LearnedEpoch& epoch) {
  const Score& score = epoch.score;
  output_.object(
      {{"kind", "epoch"},
       {"epoch", epoch.epoch},
       {"loss", epoch.loss ? ordered_json(*epoch.loss) : nullptr},
       {"dataset", score.dataset},
       {"metric", score.metric},
       {"value", score.value},
       {"count", score.count},
       {"correct", score.correct ? ordered_json(*score.correct) : nullptr}});
  const std::vector<Column> columns = {
      {"epoch", 5, true}, {"loss", 9, true}, {"held back", 10, true}};
  if (!begun_) output_.line(table_head(columns));
  begun_ = true;
  output_.line(table_row(columns, {std::to_string(epoch.epoch),
                                   epoch.loss ? short_number(*epoch.loss) : "",
                                   text(score.value)}));
}

void Steps::summarize() const {
  if (orders_.empty()) return;
  const auto count = static_cast<double>(orders_.size());
  const double mean =
      std::accumulate(orders_.begin(), orders_.end(), 0.0) / count;
  double squares = 0;
  for (double value : orders_) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / (count - 1));
  output_.object({{"kind", "orders"},
                  {"count", orders_.size()},
                  {"mean", mean},
                  {"deviation", deviation}});
  output_.line("mean of " + std::to_string(orders_.size()) + " orders: " +
               text(mean) + ", standard deviation " + text(deviation));
}

std::string Steps::what(const Candidate& candidate) const {
  if (!candidate.set.empty()) {
    return "set of " + std::to_string(candidate.set.size());
  }
  return candidate.path.empty() ? "all" : names_.of(candidate.path);
}

std::vector<std::string> Steps::cells(const Candidate& candidate) const {
  return {std::to_string(candidate.step),
          what(candidate),
          verdict(candidate),
          candidate.value ? text(*candidate.value) : "certain",
          number(candidate.gains),
          number(candidate.losses),
          candidate.p_value ? short_number(*candidate.p_value) : "",
          std::to_string(candidate.seen),
          text(candidate.best)};
}

std::string Steps::text(double score) const {
  Score shown{.value = score};
  if (counts_) shown.correct = 0;
  return score_text(shown);
}

void print_contributions(const Output& output, const SearchResult& result,
                         const ShortNames& names) {
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < result.without.size(); ++i) {
    if (!result.without[i]) return;
    const Ingredient& ingredient = result.recipe.ingredients[i];
    rows.push_back({names.of(ingredient.path), short_number(ingredient.weight),
                    score_text(*result.without[i])});
  }
  if (rows.empty()) return;
  output.line("");
  print_table(output,
              {{"ingredient"}, {"weight", 0, true}, {"without it", 0, true}},
              rows);
}

}  // namespace soup
