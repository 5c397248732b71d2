#include "recipe/outliers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <utility>

#include "recipe/compare.h"
#include "recipe/linear.h"

namespace soup {
namespace {

// Fine-tunes of one model lie within a fraction of its length of each other;
// models trained apart are about as far from their mean as the mean is long,
// or farther.
constexpr double kUnrelated = 0.7;
constexpr double kRelated = 0.35;
constexpr size_t kLines = 3;

// Parts of names under which the last layer goes.
constexpr std::array<std::string_view, 7> kHeads = {
    "head",   "heads", "classification_head", "classifier", "fc",
    "logits", "score"};

bool is_head(const TensorInfo& tensor) {
  if (tensor.shape.size() < 2) return false;
  std::string_view rest = tensor.name;
  while (!rest.empty()) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    if (std::find(kHeads.begin(), kHeads.end(), rest.substr(0, dot)) !=
        kHeads.end()) {
      return true;
    }
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  return false;
}

// Of all tensors or one: squares of distances, scaled up from the sample.
struct Spread {
  std::vector<double> squares;  // of every ingredient from the mean
  double mean_square = 0;

  void add(const Distances& distances, int64_t floats) {
    if (distances.count == 0) return;
    const double scale =
        static_cast<double>(floats) / static_cast<double>(distances.count);
    squares.resize(distances.squares.size());
    for (size_t k = 0; k < squares.size(); ++k) {
      squares[k] += scale * distances.squares[k];
    }
    mean_square += scale * distances.mean_square;
  }

  // Root mean square distance from the mean, by the mean's length.
  double relative() const {
    double sum = 0;
    for (double square : squares) sum += square;
    return std::sqrt(sum / static_cast<double>(squares.size()) / mean_square);
  }
};

struct LeftOut {
  double distance = 0;  // of one ingredient from the mean of the others
  double spread = 0;    // of the others, both by the length of the mean
};

// From distances to the mean of all, by the parallel axis theorem.
LeftOut leave_out(const Spread& spread, size_t k) {
  const auto count = static_cast<double>(spread.squares.size());
  double sum = 0;
  for (double square : spread.squares) sum += square;
  const double own = spread.squares[k] * count / (count - 1);
  const double others = std::max(sum - own, 0.0) / (count - 1);
  const double distance = std::sqrt(spread.squares[k]) * count / (count - 1);
  const double length = std::sqrt(spread.mean_square);
  return {distance / length, std::sqrt(others) / length};
}

bool is_outlier(const LeftOut& left) {
  return left.distance > kUnrelated && left.spread < kRelated;
}

std::string percent(double share) {
  std::array<char, 32> text{};
  const double value = 100 * share;
  std::snprintf(text.data(), text.size(), value < 10 ? "%.2g%%" : "%.0f%%",
                value);
  return text.data();
}

bool is_measured(const PlannedTensor& tensor, size_t ingredients) {
  return tensor.rule != nullptr && tensor.rule->make == make_linear &&
         tensor.sources.size() == ingredients &&
         std::all_of(tensor.sources.begin(), tensor.sources.end(),
                     [](const Source& s) { return s.weight == 1; });
}

// "b.pt is 140% of the length of the mean away from ...".
std::string sentence(const std::string& subject, const LeftOut& left) {
  return subject + " lies " + percent(left.distance) +
         " of the mean's length away from the others, which lie " +
         percent(left.spread) + " from theirs";
}

void judge_models(const Spread& all,
                  std::span<const Checkpoint* const> ingredients,
                  std::vector<std::string>& notices) {
  for (size_t k = 0; ingredients.size() > 2 && k < ingredients.size(); ++k) {
    const LeftOut left = leave_out(all, k);
    if (!is_outlier(left)) continue;
    notices.push_back(sentence(ingredients[k]->path().string(), left) +
                      "; was it trained from the same weights?");
  }
  if (notices.empty() && all.relative() > kUnrelated) {
    notices.push_back("the ingredients lie " + percent(all.relative()) +
                      " of their mean's length away from it; were they "
                      "trained from the same weights?");
  }
}

void judge_head(const TensorInfo& tensor, const Spread& head,
                std::span<const Checkpoint* const> ingredients,
                std::vector<std::string>& notices) {
  const std::string advice = "; leave it out with " + exclusion(tensor.name) +
                             " or train from a common one";
  for (size_t k = 0; ingredients.size() > 2 && k < ingredients.size(); ++k) {
    const LeftOut left = leave_out(head, k);
    if (!is_outlier(left)) continue;
    notices.push_back(
        sentence(ingredients[k]->path().string() + ": " + quoted(tensor),
                 left) +
        ": evidently initialised on its own" + advice);
    return;
  }
  if (head.relative() > kUnrelated) {
    notices.push_back(quoted(tensor) + " lies " + percent(head.relative()) +
                      " of the mean's length away from it: evidently "
                      "initialised apart in every ingredient" +
                      advice);
  }
}

}  // namespace

std::vector<std::string> find_outliers(
    const Plan& plan, std::span<const Checkpoint* const> ingredients,
    std::span<const Findings> found) {
  Spread body;
  std::vector<std::pair<const TensorInfo*, Spread>> heads;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedTensor& tensor = plan.tensors[i];
    if (!is_measured(tensor, ingredients.size())) continue;
    const bool head = is_head(tensor.out);
    if (head) heads.emplace_back(&tensor.out, Spread());
    (head ? heads.back().second : body)
        .add(found[i].distances, tensor.out.numel());
  }
  std::vector<std::string> notices;
  if (ingredients.size() < 2) return notices;
  if (body.mean_square > 0) judge_models(body, ingredients, notices);
  // Models that are unrelated as a whole have unrelated heads, too.
  const bool related =
      notices.empty() && body.mean_square > 0 && body.relative() < kRelated;
  for (const auto& [tensor, spread] : heads) {
    if (!related || notices.size() >= kLines) break;
    if (spread.mean_square > 0) {
      judge_head(*tensor, spread, ingredients, notices);
    }
  }
  return notices;
}

}  // namespace soup
