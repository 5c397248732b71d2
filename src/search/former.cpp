#include "search/former.h"

#include <algorithm>

#include "soup/search.h"

namespace soup {

Mixture distinct(const Mixture& mixture) {
  Mixture once;
  for (size_t index : mixture) {
    if (std::find(once.begin(), once.end(), index) == once.end()) {
      once.push_back(index);
    }
  }
  return once;
}

Recipe Former::recipe(const Mixture& mixture) const {
  Recipe made = recipe_;
  for (size_t index : distinct(mixture)) {
    const auto times = std::count(mixture.begin(), mixture.end(), index);
    made.ingredients.push_back({.path = checkpoints_[index]->path(),
                                .weight = static_cast<double>(times)});
  }
  return made;
}

const Checkpoint& Former::form(const Mixture& mixture,
                               const std::vector<double>& weights) {
  if (last_ && last_->mixture == mixture && last_->weights == weights) {
    return *last_->made;
  }
  last_.reset();
  const Checkpoint& made =
      weights.empty() ? take(mixture) : weigh(mixture, weights);
  last_ = {mixture, weights, &made};
  return made;
}

const Checkpoint& Former::take(const Mixture& mixture) {
  if (ahead_) {
    Ahead ahead = *std::move(ahead_);
    ahead_.reset();
    ahead.made.wait();
    if (ahead.mixture == mixture) return *ahead.made.get();
  }
  return make(mixture);
}

void Former::look_ahead(const Mixture& mixture) {
  if (mixture.size() == 1 || ahead_) return;
  // A sum that is not of all the others would change, with what is in use.
  const bool summed = sum_ && std::equal(summed_.begin(), summed_.end(),
                                         mixture.begin(), mixture.end() - 1);
  if (is_sum(mixture) && !summed) return;
  ahead_ = {mixture, std::async(std::launch::async,
                                [this, mixture] { return &make(mixture); })};
}

// A weighted mean is not the sum of its ingredients one by one, bit for bit.
bool Former::is_sum(const Mixture& mixture) const {
  const bool goes_on =
      summed_.size() < mixture.size() &&
      std::equal(summed_.begin(), summed_.end(), mixture.begin());
  return distinct(mixture).size() == mixture.size() &&
         (goes_on || mixture.size() == 2);
}

const Checkpoint& Former::weigh(const Mixture& mixture,
                                const std::vector<double>& weights) {
  ahead_.reset();  // waits for it: it uses the same places
  Recipe weighed = recipe(mixture);
  int64_t taken = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    weighed.ingredients[i].weight = weights[i];
    taken += weights[i] != 0 ? 1 : 0;
  }
  const Checkpoint& mixed = whole(mixture, weighed);
  return taken > 1 ? renew(mixed) : mixed;
}

const Checkpoint& Former::make(const Mixture& mixture) {
  if (mixture.size() == 1) return *checkpoints_[mixture.front()];
  return renew(mix(mixture));
}

const Checkpoint& Former::renew(const Checkpoint& mixed) {
  if (batch_norm_ == nullptr) return mixed;
  newest_renewed_ = 1 - newest_renewed_;
  renewed_[newest_renewed_] = nullptr;
  renewed_[newest_renewed_] = batch_norm_->recompute(mixed);
  return *renewed_[newest_renewed_];
}

const Checkpoint& Former::mix(const Mixture& mixture) {
  return is_sum(mixture) ? extend(mixture) : whole(mixture, recipe(mixture));
}

const Checkpoint& Former::whole(const Mixture& mixture, const Recipe& recipe) {
  std::vector<const Checkpoint*> ingredients;
  for (size_t index : distinct(mixture)) {
    ingredients.push_back(checkpoints_[index].get());
  }
  newest_ = 1 - newest_;
  wholes_[newest_] = nullptr;  // before the next one needs its memory
  wholes_[newest_] = soup_in_memory(recipe, ingredients);
  return *wholes_[newest_];
}

const Checkpoint& Former::extend(const Mixture& mixture) {
  const size_t rest = mixture.size() - 1;
  if (!sum_ || summed_.size() > rest ||
      !std::equal(summed_.begin(), summed_.end(), mixture.begin())) {
    sum_.emplace(recipe_);
    summed_.clear();
  }
  for (size_t i = summed_.size(); i < rest; ++i) {
    sum_->add(*checkpoints_[mixture[i]]);
    summed_.push_back(mixture[i]);
  }
  return sum_->candidate(*checkpoints_[mixture.back()]);
}

}  // namespace soup
