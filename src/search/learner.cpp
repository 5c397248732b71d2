#include "search/learner.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/threads.h"
#include "search/ranking.h"
#include "soup/error.h"

namespace soup {
namespace {

Recipe recipe_of_all(Recipe recipe,
                     std::span<const CheckpointPtr> checkpoints) {
  for (const CheckpointPtr& checkpoint : checkpoints) {
    recipe.ingredients.push_back({.path = checkpoint->path()});
  }
  return recipe;
}

std::vector<const Checkpoint*> pointers(
    std::span<const CheckpointPtr> checkpoints) {
  std::vector<const Checkpoint*> all;
  for (const CheckpointPtr& one : checkpoints) all.push_back(one.get());
  return all;
}

std::vector<int64_t> shuffled(std::span<const int64_t> examples,
                              uint64_t seed) {
  std::vector<int64_t> order;
  for (const size_t i : random_order(examples.size(), seed)) {
    order.push_back(examples[i]);
  }
  return order;
}

}  // namespace

Learner::Learner(std::span<const CheckpointPtr> checkpoints,
                 GradientSource& source, const SearchOptions& options)
    : checkpoints_(checkpoints),
      ingredients_(pointers(checkpoints)),
      source_(source),
      learning_(options.learning),
      rest_(recipe_of_all(options.recipe, checkpoints)),
      plan_(make_plan(rest_, ingredients_)),
      groups_(groups_of(plan_, learning_.by)),
      form_(checkpoints.size()) {
  if (checkpoints.size() < 2) {
    throw UsageError("one checkpoint alone has no coefficients to be learned");
  }
  if (groups_.empty()) {
    throw UsageError(
        "no tensor of floats is mixed by weights, so that there "
        "is nothing to be learned");
  }
  if (learning_.affine) {
    form_ = Coefficients(checkpoints.size(), distances());
  }
}

Lesson Learner::begin() const {
  Lesson lesson;
  lesson.values.assign(groups_.size() * ingredients_.size() + 1, 0.0);
  lesson.values.back() = 1;
  return lesson;
}

Table Learner::coefficients(const Lesson& lesson) const {
  return form_.of({lesson.values.begin(), lesson.values.end() - 1});
}

Recipe Learner::recipe(const Lesson& lesson) const {
  const Table all = coefficients(lesson);
  Recipe made = rest_;
  for (size_t i = 0; i < ingredients_.size(); ++i) {
    Ingredient& ingredient = made.ingredients[i];
    double sum = 0;
    double count = 0;
    for (size_t g = 0; g < groups_.size(); ++g) {
      const double weight = all[g * ingredients_.size() + i];
      for (const size_t t : groups_[g].tensors) {
        const TensorInfo& tensor = plan_.tensors[t].out;
        const auto values = static_cast<double>(tensor.numel());
        sum += weight * values;
        count += values;
        if (groups_.size() > 1) {
          ingredient.tensor_weights[tensor.name] = weight;
        }
      }
    }
    // Where tensors have weights of their own: the mean over all values, to be
    // looked at.
    ingredient.weight = groups_.size() > 1 ? sum / count : all[i];
  }
  return made;
}

CheckpointPtr Learner::soup(const Recipe& recipe) const {
  return soup_in_memory(recipe, ingredients_);
}

Table Learner::products(
    const std::function<const Checkpoint*(size_t)>& left) const {
  const size_t width = ingredients_.size();
  Table by_tensor(plan_.tensors.size() * width);
  parallel_for(std::ssize(by_tensor), 0, [&](int64_t at) {
    const auto t = static_cast<size_t>(at) / width;
    const PlannedTensor& planned = plan_.tensors[t];
    if (planned.rule == nullptr || !planned.rule->weighted) return;
    const Source& source = planned.sources[static_cast<size_t>(at) % width];
    const Checkpoint& tensors = *left(source.ingredient);
    const Checkpoint& ingredient = *ingredients_[source.ingredient];
    const size_t index = tensors.find(planned.out.name).value();
    by_tensor[t * width + source.ingredient] = inner_product(
        tensors.tensors()[index], tensors.read(index),
        ingredient.tensors()[source.tensor], ingredient.read(source.tensor));
  });
  Table sums(groups_.size() * width);
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (const size_t t : groups_[g].tensors) {
      for (size_t i = 0; i < width; ++i) {
        sums[g * width + i] += by_tensor[t * width + i];
      }
    }
  }
  return sums;
}

// |theta_i - c|^2 = <theta_i, theta_i> - 2 <theta_i, c> + <c, c>.
Table Learner::distances() const {
  const size_t width = ingredients_.size();
  Recipe middle = rest_;
  middle.dtype = "f64";
  const CheckpointPtr mean = soup(middle);
  const Table with_mean = products([&](size_t) { return mean.get(); });
  const Table squares = products([&](size_t i) { return ingredients_[i]; });
  Table made(with_mean.size());
  for (size_t g = 0; g < groups_.size(); ++g) {
    const auto row = std::span(with_mean).subspan(g * width, width);
    double norm = 0;  // <c, c>, as c is the mean of all
    for (const double product : row) {
      norm += product / static_cast<double>(width);
    }
    for (size_t i = 0; i < width; ++i) {
      const double own = squares[g * width + i];
      const double square = own - 2 * row[i] + norm;
      // What is left of equal values is rounding.
      made[g * width + i] = square > 1e-12 * own ? std::sqrt(square) : 0;
    }
  }
  return made;
}

double Learner::differentiate(const Lesson& lesson,
                              std::span<const int64_t> which,
                              std::vector<double>& slope) const {
  Recipe mixed = recipe(lesson);
  mixed.dtype = "f32";  // what the model computes in
  const double factor = lesson.values.back();
  const LossSlope found = source_.differentiate(*soup(mixed), which, factor);
  slope = form_.slope({lesson.values.begin(), lesson.values.end() - 1},
                      products([&](size_t) { return found.by_weights.get(); }));
  // The temperature belongs to the softmax form (arXiv:2203.05482).
  slope.push_back(form_.affine() ? 0 : found.by_factor);
  return found.loss;
}

// Softmax: constant, as the paper's code. Affine: a fifth of warm-up, then a
// cosine, as MEHL-Soup.
double Learner::rate(int64_t step, int64_t steps) const {
  if (!form_.affine()) return learning_.rate > 0 ? learning_.rate : 0.05;
  const double most = learning_.rate > 0 ? learning_.rate : 0.01;
  const auto warm = std::max<double>(1, 0.2 * static_cast<double>(steps));
  const auto now = static_cast<double>(step);
  if (now < warm) return most * (now + 1) / warm;
  const double done = (now - warm) / (static_cast<double>(steps) - warm);
  return most * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

double Learner::epoch(Lesson& lesson, std::span<const int64_t> examples,
                      uint64_t seed, Progress& progress) const {
  const std::vector<int64_t> order = shuffled(examples, seed);
  const auto batch = static_cast<size_t>(learning_.batch_size);
  const auto batches = static_cast<int64_t>((order.size() + batch - 1) / batch);
  double loss = 0;
  std::vector<double> slope;
  for (size_t begin = 0; begin < order.size(); begin += batch) {
    const auto which =
        std::span(order).subspan(begin, std::min(batch, order.size() - begin));
    loss +=
        differentiate(lesson, which, slope) * static_cast<double>(which.size());
    lesson.adam.step(lesson.values, slope,
                     rate(lesson.adam.steps, batches * learning_.epochs));
    progress.add(std::ssize(which));
  }
  return loss / static_cast<double>(order.size());
}

}  // namespace soup
