#include "eval/gradients.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "eval/gpu_memory.h"
#include "eval/judge.h"
#include "soup/error.h"

namespace soup {
namespace {

using at::Tensor;

/// Lets threads that work on pieces 0, 1, 2, ... finish them in this order.
class Turns {
 public:
  /// Calls `work(i)`, which returns what is to be done when it is i's turn.
  /// Everybody's turn comes when one has failed.
  template <typename Work>
  void take(int64_t i, const Work& work) {
    try {
      const auto finish = work(i);
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return failed_ || next_ == i; });
      if (failed_) return;
      finish();
      ++next_;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failed_ = true;
      changed_.notify_all();
      throw;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t next_ = 0;
  bool failed_ = false;
};

/// Has autograd follow parameters for as long as it lives: some operations
/// round otherwise for those that it follows.
class Following {
 public:
  explicit Following(const std::vector<Parameter>& parameters)
      : parameters_(parameters) {
    set(true);
  }
  ~Following() { set(false); }
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;

 private:
  void set(bool follow) const {
    for (const Parameter& one : parameters_) one.value.requires_grad_(follow);
  }
  const std::vector<Parameter>& parameters_;
};

/// Without oneDNN as long as it lives: the gradient of its convolutions crashes
/// where channels are few (libtorch 2.11).
class WithoutOneDnn {
 public:
  WithoutOneDnn() : was_(at::globalContext().userEnabledMkldnn()) {
    at::globalContext().setUserEnabledMkldnn(false);
  }
  ~WithoutOneDnn() { at::globalContext().setUserEnabledMkldnn(was_); }
  WithoutOneDnn(const WithoutOneDnn&) = delete;
  WithoutOneDnn& operator=(const WithoutOneDnn&) = delete;

 private:
  bool was_;
};

std::unique_ptr<MemoryCheckpoint> zeros_like(const Checkpoint& weights) {
  const auto tensors = weights.tensors();
  std::vector<TensorInfo> made(tensors.begin(), tensors.end());
  for (TensorInfo& tensor : made) tensor.dtype = DType::kF32;
  return std::make_unique<MemoryCheckpoint>("gradient", std::move(made));
}

// Tied tensors share their values, so that theirs add up.
void add_to(MemoryCheckpoint& gradient, const Parameter& parameter,
            const Tensor& slope) {
  const Tensor host =
      (parameter.transposed ? slope.t() : slope).to(at::kCPU).contiguous();
  const auto* from = host.const_data_ptr<float>();
  for (const std::string& source : parameter.sources) {
    const std::span<std::byte> bytes =
        gradient.mutable_bytes(gradient.find(source).value());
    auto* const to = reinterpret_cast<float*>(bytes.data());
    const size_t count = bytes.size() / sizeof(float);
    for (size_t i = 0; i < count; ++i) to[i] += from[i];
    from += count;
  }
}

}  // namespace

Gradients::Gradients(Model& model, Crew& crew, const Resident& data,
                     int64_t unit)
    : model_(model),
      crew_(crew),
      data_(data),
      unit_(unit),
      parameters_(model.parameters()) {}

LossSlope Gradients::differentiate(const Checkpoint& weights,
                                   std::span<const int64_t> which,
                                   double factor) {
  for (const int64_t i : which) {
    if (i < 0 || i >= examples()) {
      throw Error("no example " + std::to_string(i) + " to learn from");
    }
  }
  if (which.empty()) throw Error("no examples to learn from");
  model_.load(weights);
  const Following following(parameters_);
  const WithoutOneDnn plain;
  Part sum;
  halve_until_it_fits(model_, unit_, [&] { sum = sum_of(which, factor); });
  const double share = 1.0 / static_cast<double>(which.size());
  auto gradient = zeros_like(weights);
  for (size_t k = 0; k < parameters_.size(); ++k) {
    if (!sum.slopes[k].defined()) continue;
    add_to(*gradient, parameters_[k], sum.slopes[k].mul_(share));
  }
  return {.loss = sum.loss * share,
          .by_factor = sum.by_factor * share,
          .by_weights = std::move(gradient)};
}

// Added up in one order, so that threads cannot change a bit of it; each holds
// one gradient of the model.
Gradients::Part Gradients::sum_of(std::span<const int64_t> which,
                                  double factor) const {
  const auto unit = static_cast<size_t>(unit_);
  const auto units = static_cast<int64_t>((which.size() + unit - 1) / unit);
  Part sum;
  sum.slopes.resize(parameters_.size());
  Turns turns;
  crew_.run(units, [&](int64_t u) {
    turns.take(u, [&](int64_t i) {
      const size_t begin = static_cast<size_t>(i) * unit;
      Part part = part_of(
          which.subspan(begin, std::min(unit, which.size() - begin)), factor);
      return [&sum, part = std::move(part)] {
        sum.loss += part.loss;
        sum.by_factor += part.by_factor;
        for (size_t k = 0; k < part.slopes.size(); ++k) {
          const Tensor& slope = part.slopes[k];
          if (!slope.defined()) continue;
          if (sum.slopes[k].defined()) {
            sum.slopes[k].add_(slope);
          } else {
            sum.slopes[k] = slope.clone();  // autograd may share it
          }
        }
      };
    });
  });
  return sum;
}

Gradients::Part Gradients::part_of(std::span<const int64_t> which,
                                   double factor) const {
  const c10::AutoGradMode follow(true);
  const Tensor scale =
      at::full({}, factor, at::TensorOptions(model_.device()).dtype(at::kFloat))
          .requires_grad_(true);
  const Tensor logits =
      project(model_.forward(data_.batch(which, std::ssize(which))));
  const Tensor loss = at::cross_entropy_loss(
      logits * scale, labels_of(which, logits), {}, at::Reduction::Sum);
  std::vector<Tensor> by = {scale};
  for (const Parameter& parameter : parameters_) by.push_back(parameter.value);
  std::vector<Tensor> slopes = torch::autograd::grad(
      {loss}, by, {}, std::nullopt, /*create_graph=*/false,
      /*allow_unused=*/true);
  Part part{.loss = loss.item<double>(),
            .by_factor = slopes.front().item<double>(),
            .slopes = {}};
  part.slopes.assign(std::make_move_iterator(slopes.begin() + 1),
                     std::make_move_iterator(slopes.end()));
  return part;
}

/// As Projection, in a way that autograd can follow.
Tensor Gradients::project(const Tensor& outputs) const {
  const auto& classes = data_.examples().outputs;
  if (classes.empty()) return outputs;
  std::vector<Tensor> columns;
  for (const std::vector<int32_t>& of_class : classes) {
    const Tensor index = at::tensor(of_class).to(outputs.device(), at::kLong);
    columns.push_back(outputs.index_select(1, index).amax(1));
  }
  return at::stack(columns, 1);
}

/// Of several right labels the one that the model is closest to.
Tensor Gradients::labels_of(std::span<const int64_t> which,
                            const Tensor& logits) const {
  const Examples& all = data_.examples();
  const Tensor host =
      all.also.empty() ? Tensor() : logits.detach().cpu().contiguous();
  std::vector<int64_t> labels;
  for (size_t k = 0; k < which.size(); ++k) {
    const auto i = static_cast<size_t>(which[k]);
    int32_t label = all.labels[i];
    if (host.defined()) {
      const auto width = static_cast<size_t>(host.size(1));
      label = closest_label({host.const_data_ptr<float>() + k * width, width},
                            label, all.also[i]);
    }
    labels.push_back(label);
  }
  return at::tensor(labels, at::kLong).to(logits.device());
}

}  // namespace soup
