#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

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

// What is no class at all comes back as -1.
std::vector<std::vector<int32_t>> labels_of(const Checkpoint& like) {
  const auto all = values_of<int64_t>(like, "labels");
  const TensorInfo& info = like.tensors()[like.find("labels").value()];
  const auto most =
      info.shape.size() == 1 ? size_t{1} : static_cast<size_t>(info.shape[1]);
  std::vector<std::vector<int32_t>> labels(
      static_cast<size_t>(info.shape.front()));
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t k = 0; k < most; ++k) {
      const int64_t label = all[i * most + k];
      if (label == -1 && k > 0) break;
      labels[i].push_back(
          std::in_range<int32_t>(label) ? static_cast<int32_t>(label) : -1);
    }
  }
  return labels;
}

class LogitsEvaluator : public Evaluator {
 public:
  LogitsEvaluator(const Checkpoint& like, std::string dataset,
                  const std::string& metric)
      : dataset_(std::move(dataset)),
        metric_(find_metric(metric)),
        labels_(labels_of(like)),
        classes_(static_cast<size_t>(
            like.tensors()[like.find("logits").value()].shape[1])) {
    for (const std::vector<int32_t>& right : labels_) {
      for (const int32_t label : right) {
        if (label >= 0 && static_cast<size_t>(label) < classes_) continue;
        throw Error(like.path().string() + ": has the label " +
                    std::to_string(label) + ", but logits of " +
                    std::to_string(classes_) + " classes");
      }
    }
  }

  const std::string& dataset() const override { return dataset_; }
  int64_t examples() const override { return std::ssize(labels_); }
  std::vector<int32_t> labels(int64_t example) const override {
    return labels_.at(static_cast<size_t>(example));
  }
  bool counts() const override { return metric_.counts; }
  bool higher_is_better() const override { return metric_.higher_is_better; }
  std::optional<TermRange> terms() const override {
    return term_range(metric_);
  }
  std::map<std::string, std::string> identity() const override {
    return {{"data set", dataset_}, {"metric", metric_.text()}};
  }

  int64_t batch_size() const override { return kBatch; }

  bool look(const Checkpoint& weights,
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
      verdicts.clear();
      for (size_t p = begin; p < end; ++p) {
        const auto i = static_cast<size_t>(order[p]);
        const std::span row(logits.data() + i * classes_, classes_);
        const int32_t label = closest_label(row, labels_[i].front(),
                                            std::span(labels_[i]).subspan(1));
        verdicts.push_back(judge(row, label, order[p], metric_));
      }
      if (options.progress != nullptr) {
        options.progress->add(static_cast<int64_t>(end - begin));
      }
      if (options.watch && !options.watch(verdicts)) return false;
    }
    return true;
  }

  Score summarize(const std::filesystem::path& /*path*/,
                  std::vector<Verdict> verdicts) const override {
    Score score = score_of(std::move(verdicts), metric_);
    score.dataset = dataset_;
    return score;
  }

 private:
  std::string dataset_;
  Metric metric_;
  std::vector<std::vector<int32_t>> labels_;  ///< by example, one or more
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
         classes.dtype == DType::kI64 &&
         (classes.shape.size() == 1 ||
          (classes.shape.size() == 2 && classes.shape[1] > 0)) &&
         classes.shape[0] == values.shape[0];
}

CheckpointPtr make_logits(const std::filesystem::path& path,
                          std::span<const float> logits,
                          const Evaluator& evaluator) {
  const int64_t examples = evaluator.examples();
  std::vector<std::vector<int32_t>> labels;
  size_t most = 1;
  for (int64_t i = 0; i < examples; ++i) {
    labels.push_back(evaluator.labels(i));
    most = std::max(most, labels.back().size());
  }
  std::vector<int64_t> padded;
  for (std::vector<int32_t>& right : labels) {
    right.resize(most, -1);
    padded.insert(padded.end(), right.begin(), right.end());
  }
  TensorInfo of_labels = {
      .name = "labels", .dtype = DType::kI64, .shape = {examples}};
  if (most > 1) of_labels.shape.push_back(static_cast<int64_t>(most));
  auto made = std::make_unique<MemoryCheckpoint>(
      path, std::vector<TensorInfo>{
                {.name = "logits",
                 .dtype = DType::kF32,
                 .shape = {examples, std::ssize(logits) / examples}},
                std::move(of_labels)});
  std::memcpy(made->mutable_bytes(0).data(), logits.data(),
              logits.size_bytes());
  std::memcpy(made->mutable_bytes(1).data(), padded.data(),
              padded.size() * sizeof(int64_t));
  return made;
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
