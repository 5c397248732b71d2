#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "soup/checkpoint.h"
#include "soup/eval.h"

namespace soup::testing {

/// A state dict of one float32 vector "w".
inline CheckpointPtr vector_checkpoint(const std::string& path,
                                       const std::vector<float>& values) {
  std::vector<TensorInfo> tensors = {
      {.name = "w",
       .dtype = DType::kF32,
       .shape = {static_cast<int64_t>(values.size())}}};
  auto made = std::make_unique<MemoryCheckpoint>(path, std::move(tensors));
  std::memcpy(made->mutable_bytes(0).data(), values.data(),
              values.size() * sizeof(float));
  return made;
}

/// Such models, called "0", "1", and so on.
inline std::vector<CheckpointPtr> vector_checkpoints(
    const std::vector<std::vector<float>>& values) {
  std::vector<CheckpointPtr> made;
  for (size_t k = 0; k < values.size(); ++k) {
    made.push_back(vector_checkpoint(std::to_string(k), values[k]));
  }
  return made;
}

/// An evaluator without a model: the margin of example i is w[first + i], so it
/// is right when w[first + i] > 0, and a soup's margins are the means of its
/// ingredients'. As logits they are those of class 1, which is the true one,
/// beside 0 for class 0. With `loss` the metric is the mean of log(1 +
/// exp(-margin)), to be small.
class TableEvaluator : public Evaluator {
 public:
  explicit TableEvaluator(int64_t examples, int64_t batch = 3,
                          std::string dataset = "table")
      : dataset_(std::move(dataset)), examples_(examples), batch_(batch) {}

  const std::string& dataset() const override { return dataset_; }
  int64_t examples() const override { return examples_; }
  bool counts() const override { return !loss; }
  bool higher_is_better() const override { return !loss; }
  std::optional<TermRange> terms() const override {
    return loss ? TermRange{} : TermRange{.highest = 1};
  }

  std::vector<int32_t> labels(int64_t) const override { return {1}; }
  int64_t classes() const override { return 2; }
  int64_t batch_size() const override { return batch_; }

  bool look(const Checkpoint& weights,
            const EvaluateOptions& options) override {
    while (ready && !ready()) std::this_thread::yield();
    ++passes;
    const TensorData data = weights.read(0);
    const int64_t count =
        options.order.empty() ? examples_ : std::ssize(options.order);
    std::vector<Verdict> batch;
    std::vector<float> rows;
    for (int64_t position = 0; position < count; ++position) {
      const int64_t i = options.order.empty()
                            ? position
                            : options.order[static_cast<size_t>(position)];
      float margin = 0;
      std::memcpy(&margin, data.bytes().data() + (first + i) * 4, 4);
      const double term = loss         ? std::log1p(std::exp(-margin))
                          : margin > 0 ? 1.0
                                       : 0.0;
      batch.push_back({.example = i,
                       .label = 1,
                       .prediction = margin > 0 ? 1 : 0,
                       .margin = margin,
                       .term = term});
      rows.insert(rows.end(), {0, margin});
      ++seen;
      if (std::ssize(batch) < batch_ && position + 1 < count) continue;
      if (options.logits) options.logits(batch, rows);
      if (options.watch && !options.watch(batch)) return false;
      batch.clear();
      rows.clear();
    }
    return true;
  }

  Score summarize(const std::filesystem::path& /*path*/,
                  std::vector<Verdict> verdicts) const override {
    Score score{.dataset = dataset_,
                .metric = loss ? "loss" : "top1",
                .count = std::ssize(verdicts),
                .correct = {},
                .higher_is_better = !loss};
    std::vector<double> terms(static_cast<size_t>(examples_));
    for (const Verdict& verdict : verdicts) {
      terms[static_cast<size_t>(verdict.example)] = verdict.term;
    }
    const double total = std::accumulate(terms.begin(), terms.end(), 0.0);
    if (!loss) score.correct = static_cast<int64_t>(total);
    score.value = total / static_cast<double>(score.count);
    if (loss) score.standard_error = score.value / 7;  // any number will do
    return score;
  }

  /// Nothing is looked at before: what others are to do is not done by then.
  std::function<bool()> ready = {};
  bool loss = false;
  int64_t first = 0;   ///< element of "w" that is example 0
  int64_t passes = 0;  ///< evaluations begun
  int64_t seen = 0;    ///< examples looked at, all together

 private:
  std::string dataset_;
  int64_t examples_;
  int64_t batch_;
};

}  // namespace soup::testing
