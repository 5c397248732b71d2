#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/launch.h"
#include "core/progress.h"
#include "core/store.h"
#include "soup/checkpoint.h"
#include "soup/data.h"

/// Scoring a state dict on held-out data. No libtorch in this header.
namespace soup {

/// A score. Where the metric counts examples, `correct` is the integer and
/// `value` = correct / count.
struct Score {
  std::string dataset = {};
  std::string metric = {};
  double value = 0;
  int64_t count = 0;
  std::optional<int64_t> correct = {};
  bool higher_is_better = true;
  /// Of `value` as the mean of a sample: the terms' standard deviation (with
  /// count - 1) over the root of the count. Where it is no mean: nothing.
  std::optional<double> standard_error = {};
  double seconds = 0;
};

/// True when `a` is at least as good as `b` (`strict`: better). Compares
/// integer counts where both have them. Every number is better than a score
/// that is none.
bool is_better(const Score& a, const Score& b, bool strict);

/// What the model said of one example.
struct Verdict {
  int64_t example = 0;  ///< position in the data set
  int32_t label = 0;
  /// The class of the largest logit, the lowest of equals; -1 when a logit is
  /// not a number: such an example counts as wrong.
  int32_t prediction = 0;
  /// Logit of the true class minus the best other one; never a NaN.
  float margin = 0;
  double term = 0;  ///< the example's part of the metric (0 or 1 for counts)
};

/// Called after every batch with its verdicts; false stops the evaluation.
using Watch = std::function<bool(std::span<const Verdict>)>;
/// Receives the logits (row-major [n, classes]) beside the verdicts of a batch.
using LogitsWatch =
    std::function<void(std::span<const Verdict>, std::span<const float>)>;

struct EvaluateOptions {
  /// Examples in the order they are to be looked at; empty: file order.
  std::span<const int64_t> order = {};
  Watch watch = {};
  LogitsWatch logits = {};  ///< called first; wants Evaluator::classes()
  /// Ends what has no batches to watch (`--eval-cmd`), which then fails.
  std::stop_token stop = {};
  /// Told of every example that was looked at (of one for a whole score).
  Progress* progress = nullptr;
  /// The weights are those of the last look at a data set of the same
  /// make_evaluators(): they need not be loaded.
  bool loaded = false;
};

/// Bounds of what one example can add to a score that is the mean of terms.
struct TermRange {
  double lowest = 0;
  double highest = std::numeric_limits<double>::infinity();
};

/// A loss and its slope.
struct LossSlope {
  double loss = 0;       ///< mean cross-entropy
  double by_factor = 0;  ///< its derivative by the factor of the logits
  /// Its gradient by the weights: float32, names and shapes as theirs; zero
  /// for what the model does not use.
  CheckpointPtr by_weights = {};
};

/// The loss of a model on examples, to be differentiated. Not thread-safe.
class GradientSource {
 public:
  virtual ~GradientSource() = default;
  virtual int64_t examples() const = 0;
  /// Of the examples `which` (at least one) and of logits that are multiplied
  /// by `factor`. Holds one gradient for each thread; on a CPU the same bits
  /// on any number of them.
  /// Throws Error when the weights do not fit.
  virtual LossSlope differentiate(const Checkpoint& weights,
                                  std::span<const int64_t> which,
                                  double factor) = 0;
};

/// Scores state dicts on one data set. Only what is const is thread-safe.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  virtual const std::string& dataset() const = 0;
  /// Number of examples that can be looked at one by one; 0: only whole scores
  /// (`--eval-cmd`), `order` and `watch` are then ignored.
  virtual int64_t examples() const = 0;
  /// File of an example, empty where there is none.
  virtual std::string path(int64_t /*example*/) const { return {}; }
  /// The right classes of an example, the data set's first one first; empty
  /// where they are not known.
  virtual std::vector<int32_t> labels(int64_t /*example*/) const { return {}; }
  /// True when the metric is a sum of 0 and 1 over examples.
  virtual bool counts() const = 0;
  virtual bool higher_is_better() const { return true; }
  /// Where the score is the mean of the examples' terms: what bounds them.
  /// nullopt: no part of the examples tells anything certain about the whole.
  virtual std::optional<TermRange> terms() const {
    return counts() ? std::optional<TermRange>({.highest = 1}) : std::nullopt;
  }
  /// How much an example counts in the mean of terms: whole numbers where the
  /// metric counts, about 1 elsewhere.
  virtual double weight(int64_t /*example*/) const { return 1; }
  /// True where not all examples count alike.
  virtual bool weighted() const { return false; }
  /// Everything, but for the weights, that a score depends on: data by content
  /// hash, preprocessing, model, metric. By name, for messages.
  virtual std::map<std::string, std::string> identity() const {
    return {{"data set", dataset()}};
  }
  /// These will be scored next, in this order: whoever can do several at once
  /// begins with them.
  virtual void look_ahead(std::span<const Checkpoint* const> /*weights*/) {}
  /// How many logits of an example can be watched; 0: none, where scores come
  /// from elsewhere.
  virtual int64_t classes() const { return 0; }
  /// Examples of one batch: fewer at a time are no less work.
  virtual int64_t batch_size() const { return 1; }
  /// Score of `weights`; nullopt when `watch` stopped it.
  /// Throws Error when the weights do not fit, UsageError where logits are
  /// watched that are of two precisions.
  virtual std::optional<Score> evaluate(const Checkpoint& weights,
                                        const EvaluateOptions& = {});
  /// What evaluate() is made of, where there are examples(): shows the watches
  /// what `weights` say of them; false when stopped.
  /// An example's verdict depends on the weights and the example alone, not on
  /// its neighbours in a batch, nor, on a CPU, on batch size and threads.
  virtual bool look(const Checkpoint& /*weights*/, const EvaluateOptions&) {
    return false;
  }
  /// The score by verdicts on at least one example, each once and in any order,
  /// whoever looked. `path`: of the weights, for messages.
  virtual Score summarize(const std::filesystem::path& /*path*/,
                          std::vector<Verdict> /*verdicts*/) const {
    return {};
  }
  /// The loss of the same model on the same examples; null where scores come
  /// from elsewhere.
  virtual GradientSource* gradients() { return nullptr; }
};

/// A progress bar for `evaluations` full evaluations by each of `evaluators`.
std::unique_ptr<Progress> evaluation_progress(
    const std::string& title, const std::vector<const Evaluator*>& evaluators,
    int64_t evaluations, bool enabled = true);

/// A row of the table of metrics: `term` is one example's part. The score is
/// the mean of the terms, or `whole` of all examples, in file order, where
/// there is such a function.
struct Metric {
  std::string_view name;
  std::string_view summary;
  bool counts = true;  ///< terms are 0 or 1, and the score is their mean
  bool higher_is_better = true;
  double (*term)(std::span<const float> logits, int32_t label);
  double (*whole)(std::span<const Verdict>, int64_t bins) = nullptr;
  int64_t bins = 0;  ///< of `whole`; 0: it has none

  /// As find_metric() reads it.
  std::string text() const;
};

std::span<const Metric> metrics();
/// The row of that name. `ece:20` has so many bins instead of its own.
/// Throws UsageError for an unknown name, or bins that there cannot be.
Metric find_metric(const std::string& text);

struct EvaluatorOptions {
  std::string model = "auto";
  std::filesystem::path head = {};  ///< see make_model
  std::string metric = "top1";
  std::string device = "auto";
  int64_t batch_size = 256;  ///< examples between two calls of a watch
  int threads = 0;           ///< 0: the processors this process may use
  PictureCache cache = {};   ///< of decoded pictures
  /// fp32; bf16, fp16 or tf32: fast, and float32 where that is too close to
  /// call, so that counts are those of fp32; bf16-only and so on: fast alone.
  std::string precision = "fp32";
  /// Logits will be watched: a precision that cannot give them is refused at
  /// once.
  bool logits = false;
};

/// Evaluators in process, one per data set, that share one resident model of
/// the architecture of `like`. Examples are loaded once. They have threads of
/// their own; libtorch's operations are set to one thread each.
/// Throws UsageError for unknown names, Error when data or model do not fit
/// (labels beyond the head, other channels).
std::vector<std::unique_ptr<Evaluator>> make_evaluators(
    std::span<const DatasetSpec> datasets, const Checkpoint& like,
    const EvaluatorOptions&);

/// Examples that BatchNorm normalises together, where nobody says how many.
constexpr int64_t kBatchNormBatch = 64;

/// Takes the means and variances of BatchNorm anew, over all examples of one
/// data set, which are loaded once. Thread-safe.
class BatchNormStatistics {
 public:
  virtual ~BatchNormStatistics() = default;
  /// A copy of `checkpoint` with statistics of its own. Batches are drawn
  /// without replacement, each normalised by its own moments as in training;
  /// the moments are then merged exactly, so that no batch weighs more than its
  /// examples. The same values on any number of threads.
  /// Throws Error when the weights do not fit.
  virtual CheckpointPtr recompute(const Checkpoint& checkpoint) = 0;
  /// Everything, but for the weights, that the statistics depend on, as
  /// Evaluator::identity().
  virtual std::map<std::string, std::string> identity() const = 0;
};

/// Such statistics of models like `like` in batches of `options.batch_size`,
/// drawn by `seed`.
/// Throws Error when the model has no BatchNorm or does not fit the data.
std::unique_ptr<BatchNormStatistics> make_batch_norm_statistics(
    const DatasetSpec& dataset, const Checkpoint& like, uint64_t seed,
    const EvaluatorOptions& options);

/// What scores state dicts in process: libtorch and the models made of it.
struct EngineInfo {
  struct Model {
    std::string_view name;
    std::string_view summary;
  };
  std::string libtorch = {};  ///< version
  int64_t gpus = 0;           ///< that can be used
  std::vector<Model> models = {};
};
/// Loads libtorch, as make_evaluators, make_batch_norm_statistics and
/// connect_store
/// do; nothing else does. All throw Error where it, or our module beside it, is
/// missing.
EngineInfo engine_info();

/// The store of the processes of `launch`, PyTorch's TCPStore; the one that
/// hosts it listens from now on, the others wait for it as long as
/// launch.patience.
/// Throws UsageError where nothing says at which address, Error when it cannot
/// be reached.
std::unique_ptr<Store> connect_store(const Launch& launch);

/// What `--device` asks for, each as EvaluatorOptions::device: for `all` and
/// `cuda:0,1` several. A process of several on one machine takes one of them,
/// by its local rank. `gpus`: how many this machine has.
std::vector<std::string> devices_of(const std::string& wanted, int64_t gpus,
                                    const Launch& launch);

/// What a failure says to a user: `what()`, of libtorch's exceptions without
/// the backtrace.
std::string message_of(const std::exception&);

/// True when `checkpoint` holds what a model says instead of a model: `logits`
/// [examples, classes] in float32 and `labels` in int64, [examples] or, where
/// several are right, [examples, most] with -1 behind the last. The mean of
/// such state dicts is the ensemble of their models, so a search for a soup of
/// them is one for an ensemble.
bool holds_logits(const Checkpoint& checkpoint);

/// Such a state dict at `path` of `logits`, row-major, on all examples of
/// `evaluator`, whose labels are known.
CheckpointPtr make_logits(const std::filesystem::path& path,
                          std::span<const float> logits,
                          const Evaluator& evaluator);

/// Scores state dicts of logits by `metric`. `like`: one of them.
/// Throws Error when it holds no logits or labels beyond its classes.
std::unique_ptr<Evaluator> make_logits_evaluator(const Checkpoint& like,
                                                 const std::string& dataset,
                                                 const std::string& metric);

/// How `--eval-cmd` scores.
struct CommandOptions {
  std::string command = {};  ///< with {} for the path of a checkpoint
  bool lower_is_better = false;
  double time_limit = 0;  ///< seconds that one run may take; 0: any
  int jobs = 1;           ///< runs at the same time, of look_ahead()
  int64_t number = 0;     ///< of several evaluators, for names of files
  std::filesystem::path folder = ".";  ///< where candidates are written
  /// File to which its standard error is added; empty: it is ours.
  std::filesystem::path log = {};
};

/// Runs the command with `{}` replaced by a checkpoint path; the last line of
/// its standard output is a number or {"value": x, "count": n}. A checkpoint
/// that is a file already is given as it is, others are written first. Throws
/// UsageError when `{}` is missing; evaluate() throws Error when the command
/// fails, takes too long or prints no number.
std::unique_ptr<Evaluator> make_command_evaluator(const CommandOptions&);

}  // namespace soup
