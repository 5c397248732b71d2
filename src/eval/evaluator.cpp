#include <algorithm>
#include <numeric>

#include "core/log.h"
#include "core/threads.h"
#include "eval/engine.h"
#include "eval/gradients.h"
#include "eval/judge.h"
#include "eval/module.h"
#include "soup/error.h"
#include "soup/eval.h"
#include "soup/model.h"

namespace soup {
namespace {

/// Scores in this process.
class InProcess : public Evaluator {
 public:
  InProcess(const DatasetSpec& spec, std::shared_ptr<Engine> engine,
            const EvaluatorOptions& options)
      : name_(spec.name),
        engine_(std::move(engine)),
        model_(engine_->model.get()),
        metric_(find_metric(options.metric)),
        options_(options),
        resident_(spec, model_->input(), model_->device(), options.cache),
        projection_(resident_.examples().outputs, model_->classes(), spec.name),
        logits_(*engine_, resident_, projection_, options) {
    // In whole batches.
    const int64_t wanted = logits_.at_once();
    const int64_t batch = options.batch_size;
    block_ = (wanted + batch - 1) / batch * batch;
    check_labels(spec);
  }

  const std::string& dataset() const override { return name_; }
  int64_t examples() const override { return resident_.examples().count; }
  bool counts() const override { return metric_.counts; }
  bool higher_is_better() const override { return metric_.higher_is_better; }
  std::optional<TermRange> terms() const override {
    return term_range(metric_);
  }
  std::map<std::string, std::string> identity() const override {
    return {{"precision", options_.precision},
            {"data set", name_},
            {"data", resident_.hash()},
            {"model", model_->identity()},
            {"metric", metric_.text()},
            {"device", std::string(model_->device().is_cpu() ? "cpu" : "gpu")},
            {"batch size", std::to_string(options_.batch_size)}};
  }

  std::string path(int64_t example) const override {
    const std::vector<std::string>& paths = resident_.examples().paths;
    return paths.empty() ? "" : paths.at(static_cast<size_t>(example));
  }

  std::vector<int32_t> labels(int64_t example) const override {
    const Examples& all = resident_.examples();
    const auto i = static_cast<size_t>(example);
    std::vector<int32_t> right = {all.labels.at(i)};
    if (!all.also.empty()) {
      right.insert(right.end(), all.also[i].begin(), all.also[i].end());
    }
    return right;
  }

  int64_t classes() const override { return projection_.classes(); }
  int64_t batch_size() const override { return options_.batch_size; }

  bool look(const Checkpoint& weights,
            const EvaluateOptions& options) override {
    if (options.logits) check_keeps_logits(engine_->precision, options_);
    if (!options.loaded) engine_->load(weights);
    if (begun_ != engine_->loads) logits_.begin();
    begun_ = engine_->loads;
    const std::vector<int64_t> order = order_of(options);
    std::vector<float> logits;
    for (size_t begin = 0; begin < order.size();) {
      const auto block = std::span(order).subspan(
          begin, std::min(static_cast<size_t>(block_), order.size() - begin));
      logits_.look(block, logits);
      resident_.check_unchanged();
      if (!look_at(block, logits, options)) return false;
      begin += block.size();
      if (options.progress != nullptr) {
        options.progress->add(std::ssize(block));
      }
    }
    logits_.tell(name_);
    return true;
  }

  Score summarize(const std::filesystem::path& path,
                  std::vector<Verdict> verdicts) const override {
    warn_of_no_numbers(path, verdicts);
    Score score = score_of(std::move(verdicts), metric_);
    score.dataset = name_;
    return score;
  }

  GradientSource* gradients() override {
    // The code of a model in a file cannot be followed.
    if (model_->parameters().empty()) return nullptr;
    if (engine_->precision.fast()) {
      throw UsageError("--precision " + options_.precision +
                       ": gradients are those of fp32");
    }
    if (!gradients_) {
      gradients_ = std::make_unique<Gradients>(*engine_->model, engine_->crew,
                                               resident_, logits_.unit());
    }
    return gradients_.get();
  }

 private:
  void check_labels(const DatasetSpec& spec) const {
    const Examples& examples = resident_.examples();
    int32_t most =
        *std::max_element(examples.labels.begin(), examples.labels.end());
    for (const auto& more : examples.also) {
      for (const int32_t label : more) most = std::max(most, label);
    }
    const int64_t classes = projection_.classes();
    if (most >= classes) {
      throw Error(spec.name + ": its labels go up to " + std::to_string(most) +
                  ", which takes " + std::to_string(most + 1) +
                  " classes, but the model has " + std::to_string(classes));
    }
    const int64_t named = std::ssize(examples.class_names);
    if (named > 0 && named != classes) {
      log::warn(spec.name + ": has " + std::to_string(named) +
                " class folders, but the model has " + std::to_string(classes) +
                " classes; the order of the folders is taken for the first");
    }
  }

  std::vector<int64_t> order_of(const EvaluateOptions& options) const {
    std::vector<int64_t> order(options.order.begin(), options.order.end());
    if (order.empty()) {
      order.resize(static_cast<size_t>(examples()));
      std::iota(order.begin(), order.end(), 0);
    }
    for (int64_t i : order) {
      if (i < 0 || i >= examples()) {
        throw Error(name_ + ": has no example " + std::to_string(i));
      }
    }
    return order;
  }

  /// Judges a block and shows it batch by batch; false when the watch stops.
  bool look_at(std::span<const int64_t> block, const std::vector<float>& logits,
               const EvaluateOptions& options) const {
    const auto classes = static_cast<size_t>(projection_.classes());
    const auto batch = static_cast<size_t>(options_.batch_size);
    std::vector<Verdict> verdicts(block.size());
    parallel_for(std::ssize(block), logits_.judging_threads(), [&](int64_t k) {
      const auto i = static_cast<size_t>(k);
      const std::span row(logits.data() + i * classes, classes);
      verdicts[i] = judge(row, logits_.label(block[i], row), block[i], metric_);
    });
    for (size_t begin = 0; begin < block.size(); begin += batch) {
      const size_t count = std::min(batch, block.size() - begin);
      const std::span part = std::span(verdicts).subspan(begin, count);
      if (options.logits) {
        options.logits(part,
                       {logits.data() + begin * classes, count * classes});
      }
      if (options.watch && !options.watch(part)) return false;
    }
    return true;
  }

  void warn_of_no_numbers(const std::filesystem::path& path,
                          std::span<const Verdict> verdicts) const {
    const auto count =
        std::count_if(verdicts.begin(), verdicts.end(),
                      [](const Verdict& v) { return v.prediction < 0; });
    if (count == 0) return;
    log::warn(path.string() + ": logits that are not numbers for " +
              std::to_string(count) + " examples of " + name_);
  }

  std::string name_;
  std::shared_ptr<Engine> engine_;
  const Model* model_;
  Metric metric_;
  EvaluatorOptions options_;
  Resident resident_;
  Projection projection_;
  Logits logits_;
  int64_t begun_ = 0;  ///< number of the weights it looked at last
  int64_t block_ = 0;  ///< examples between two looks at the logits
  std::unique_ptr<Gradients> gradients_;
};

}  // namespace

std::vector<std::unique_ptr<Evaluator>> engine::make_evaluators(
    std::span<const DatasetSpec> datasets, const Checkpoint& like,
    const EvaluatorOptions& options) {
  find_metric(options.metric);
  if (options.batch_size < 1)
    throw UsageError("the batch size must be above 0");
  const auto engine = make_engine(like, options);
  std::vector<std::unique_ptr<Evaluator>> evaluators;
  for (const DatasetSpec& spec : datasets) {
    evaluators.push_back(std::make_unique<InProcess>(spec, engine, options));
  }
  return evaluators;
}

}  // namespace soup
