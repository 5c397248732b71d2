#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/table.h"
#include "eval/judge.h"
#include "soup/error.h"
#include "soup/eval.h"

namespace soup {
namespace {

constexpr size_t kBatch = 64;  // examples between two calls of a watch

template <typename T>
std::vector<T> values_of(const Checkpoint& checkpoint, const char* name) {
  const TensorData data = checkpoint.read(checkpoint.find(name).value());
  std::vector<T> values(data.bytes().size() / sizeof(T));
  std::memcpy(values.data(), data.bytes().data(), values.size() * sizeof(T));
  return values;
}

class LogitsEvaluator : public Evaluator {
 public:
  LogitsEvaluator(const Checkpoint& like, std::string dataset,
                  const std::string& metric)
      : dataset_(std::move(dataset)),
        metric_(find_row(metrics(), metric, "metric")),
        labels_(values_of<int64_t>(like, "labels")),
        classes_(static_cast<size_t>(
            like.tensors()[like.find("logits").value()].shape[1])) {
    for (int64_t label : labels_) {
      if (label >= 0 && static_cast<size_t>(label) < classes_) continue;
      throw Error(like.path().string() + ": has the label " +
                  std::to_string(label) + ", but logits of " +
                  std::to_string(classes_) + " classes");
    }
  }

  const std::string& dataset() const override { return dataset_; }
  int64_t examples() const override { return std::ssize(labels_); }
  bool counts() const override { return metric_.counts; }
  bool higher_is_better() const override { return metric_.higher_is_better; }
  std::optional<TermRange> terms() const override {
    return term_range(metric_);
  }
  std::map<std::string, std::string> identity() const override {
    return {{"data set", dataset_}, {"metric", std::string(metric_.name)}};
  }

  std::optional<Score> evaluate(const Checkpoint& weights,
                                const EvaluateOptions& options) override {
    const std::vector<float> logits = values_of<float>(weights, "logits");
    std::vector<int64_t> order(options.order.begin(), options.order.end());
    if (order.empty()) {
      order.resize(labels_.size());
      std::iota(order.begin(), order.end(), 0);
    }
    std::vector<Verdict> verdicts;
    for (size_t begin = 0; begin < order.size(); begin += kBatch) {
      const size_t end = std::min(begin + kBatch, order.size());
      for (size_t p = begin; p < end; ++p) {
        const auto i = static_cast<size_t>(order[p]);
        verdicts.push_back(judge({logits.data() + i * classes_, classes_},
                                 static_cast<int32_t>(labels_[i]), order[p],
                                 metric_));
      }
      if (options.progress != nullptr) {
        options.progress->add(static_cast<int64_t>(end - begin));
      }
      if (options.watch &&
          !options.watch(std::span(verdicts).last(end - begin))) {
        return std::nullopt;
      }
    }
    Score score = score_of(std::move(verdicts), metric_);
    score.dataset = dataset_;
    return score;
  }

 private:
  std::string dataset_;
  const Metric& metric_;
  std::vector<int64_t> labels_;
  size_t classes_;
};

}  // namespace

bool holds_logits(const Checkpoint& checkpoint) {
  const auto logits = checkpoint.find("logits");
  const auto labels = checkpoint.find("labels");
  if (!logits || !labels) return false;
  const TensorInfo& values = checkpoint.tensors()[*logits];
  const TensorInfo& classes = checkpoint.tensors()[*labels];
  return values.dtype == DType::kF32 && values.shape.size() == 2 &&
         values.shape[0] > 0 && values.shape[1] > 0 &&
         classes.dtype == DType::kI64 && classes.shape.size() == 1 &&
         classes.shape[0] == values.shape[0];
}

std::unique_ptr<Evaluator> make_logits_evaluator(const Checkpoint& like,
                                                 const std::string& dataset,
                                                 const std::string& metric) {
  if (!holds_logits(like)) {
    throw Error(like.path().string() +
                ": holds no logits; soup eval --logits writes such files");
  }
  return std::make_unique<LogitsEvaluator>(like, dataset, metric);
}

}  // namespace soup
