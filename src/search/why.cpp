#include "search/why.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "core/short_names.h"
#include "core/text.h"
#include "search/in_memory.h"

namespace soup {
namespace {

constexpr size_t kLookedAt = 6;  // of the others
constexpr double kFar = 0.35;    // of the weights' length, as for outliers
constexpr double kWeaker = 5;    // standard errors

std::string number(const char* format, double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string text(const Score& score) {
  return score.correct ? number("%.2f %%", 100 * score.value)
                       : number("%.5g", score.value);
}

// What mixing them all alike finds out: models and heads that were evidently
// not trained from the same weights.
std::vector<std::string> unrelated(const Run& run, const Mixture& all) {
  std::vector<const Checkpoint*> ingredients;
  for (size_t index : all) ingredients.push_back(&run.checkpoint(index));
  NoSink sink;
  return mix(make_plan(run.recipe(all), ingredients), ingredients, sink)
      .notices;
}

bool has_batch_norm(const Checkpoint& model) {
  return std::any_of(model.tensors().begin(), model.tensors().end(),
                     [](const TensorInfo& tensor) {
                       return tensor.name.ends_with("running_mean");
                     });
}

/// How two models lie to each other.
struct Likeness {
  double distance = 0;  ///< length of the difference, by that of the first
  double cosine = 0;    ///< near 0 without a common start
};

Likeness compare(const Checkpoint& a, const Checkpoint& b) {
  double product = 0;
  double of_a = 0;
  double of_b = 0;
  for (size_t i = 0; i < a.tensors().size(); ++i) {
    const TensorInfo& info = a.tensors()[i];
    const auto j = b.find(info.name);
    if (!j || !is_float(info.dtype)) continue;
    const TensorInfo& other = b.tensors()[*j];
    const TensorData va = a.read(i);
    const TensorData vb = b.read(*j);
    const auto stats_a = tensor_stats(info, va);
    const auto stats_b = tensor_stats(other, vb);
    if (!stats_a || !stats_b) continue;
    if (stats_a->norm == 0 || stats_b->norm == 0) continue;
    product += stats_a->norm * stats_b->norm *
               tensor_difference(info, va, other, vb).cosine;
    of_a += stats_a->norm * stats_a->norm;
    of_b += stats_b->norm * stats_b->norm;
  }
  if (of_a == 0) return {};
  return {std::sqrt(std::max(of_a + of_b - 2 * product, 0.0) / of_a),
          product / std::sqrt(of_a * of_b)};
}

// Without a base there are no differences from it; weights of one start point
// the same way themselves.
std::string least_alike(const Run& run, const Mixture& all) {
  double least = 2;
  size_t which = 0;
  for (const size_t index : std::span(all).subspan(1)) {
    const double cosine =
        compare(run.checkpoint(all.front()), run.checkpoint(index)).cosine;
    if (cosine >= least) continue;
    least = cosine;
    which = index;
  }
  const auto names = ShortNames::of_all(run.checkpoints());
  return "the cosine of " + names.of(run.checkpoint(all.front()).path()) +
         " and " + names.of(run.checkpoint(which).path()) + " is " +
         number("%.2g", least) + ", near 1 after a common start";
}

// Whether the scores lie further apart than chance has it.
bool is_much_weaker(const Score& other, const Score& kept) {
  const double share = kept.value;
  const double error = kept.standard_error.value_or(
      kept.correct
          ? std::sqrt(share * (1 - share) / static_cast<double>(kept.count))
          : INFINITY);
  return std::fabs(other.value - kept.value) > kWeaker * error;
}

std::string reason(const Run& run, size_t kept,
                   std::span<const size_t> others) {
  Mixture all = {kept};
  all.insert(
      all.end(), others.begin(),
      others.begin() + std::min(std::ssize(others), ptrdiff_t{kLookedAt}));
  const std::vector<std::string> notices = unrelated(run, all);
  if (!notices.empty()) {
    return join(notices, "; ") + "; " + least_alike(run, all) +
           "; soup ensemble needs no common start, --ignore leaves one out";
  }
  const Checkpoint& model = run.checkpoint(kept);
  if (has_batch_norm(model) && run.options().batch_norm == nullptr) {
    return "BatchNorm's running statistics of a mean are not the mean of "
           "theirs; have them taken anew from training data: --bn recompute "
           "--bn-data NAME";
  }
  const Checkpoint& next = run.checkpoint(others.front());
  const std::string name =
      ShortNames::of_all(run.checkpoints()).of(next.path());
  const auto own = run.known({kept});
  const auto score = run.known({others.front()});
  if (own && score && is_much_weaker(*score, *own)) {
    return "the next best, " + name + ", scores " + text(*score) + " against " +
           text(*own) + "; look for fine-tunes that are about as good";
  }
  const Likeness like = compare(model, next);
  const std::string lies = name + " lies " +
                           number("%.2g %%", 100 * like.distance) +
                           " of the weights' length away (cosine " +
                           number("%.4g", like.cosine) + ")";
  if (like.distance > kFar) {
    return lies +
           ", too far to share a basin; fine-tune with a smaller "
           "learning rate";
  }
  return lies +
         ", which is no obstacle; try --pruned, --sweeps 2 or soup "
         "interpolate, or other fine-tunes";
}

}  // namespace

std::string why_single(const Run& run, size_t kept,
                       std::span<const size_t> others) {
  return ShortNames::of_all(run.checkpoints()).of(run.checkpoint(kept).path()) +
         " was kept alone: " + reason(run, kept, others);
}

}  // namespace soup
