#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "eval/crew.h"
#include "eval/precision.h"
#include "eval/projection.h"
#include "eval/resident.h"
#include "soup/eval.h"
#include "soup/model.h"

namespace soup {

/// What the evaluators of one call share.
struct Engine {
  Precision precision;
  std::unique_ptr<Model> model;  ///< whose logits count
  std::unique_ptr<Model> fast;   ///< looks first, where there is one
  Crew crew;
  int64_t loads = 0;  ///< weights so far

  void load(const Checkpoint& weights);
};

/// Makes the model of `like`, without weights. Throws as make_evaluators()
/// does.
std::shared_ptr<Engine> make_engine(const Checkpoint& like,
                                    const EvaluatorOptions& options);

/// Logits of the examples of one data set.
class Logits {
 public:
  Logits(Engine& engine, const Resident& resident, const Projection& projection,
         const EvaluatorOptions& options);

  /// Examples of one forward pass; fewer once they did not fit.
  int64_t unit() const { return unit_; }
  /// Examples that keep all threads, or the GPU, busy for a while.
  int64_t at_once() const;
  /// Threads for what is done with logits, which a GPU waits for: as
  /// parallel_for() takes them.
  int judging_threads() const { return judging_threads_; }
  /// The true class of an example; of several, the one its logits favour.
  int32_t label(int64_t example, std::span<const float> logits) const;
  /// To be called after new weights were loaded.
  void begin();
  /// Logits, row-major [which, classes], of the precision asked for; where
  /// float32 decides, they are its own as far as that matters.
  void look(std::span<const int64_t> which, std::vector<float>& logits);
  /// Says at -v how many examples float32 had to decide.
  void tell(const std::string& dataset) const;

 private:
  /// How examples are computed.
  struct Pass {
    const Model& model;
    at::ScalarType type;
    int64_t divisor = 1;  ///< of unit()
  };

  int64_t sized_unit() const;
  void compute(const Pass& pass, std::span<const int64_t> which,
               std::vector<float>& logits);
  void compute_units(const Pass& pass, int64_t unit,
                     std::span<const int64_t> which,
                     std::vector<float>& logits);
  void compute_fast(std::span<const int64_t> which, std::vector<float>& logits);
  void compute_exact(std::span<const int64_t> which,
                     std::vector<float>& logits);
  /// Places in `which` of the examples that float32 must decide.
  std::vector<size_t> close_calls(std::span<const int64_t> which,
                                  const std::vector<float>& logits) const;

  Engine& engine_;
  const Resident& resident_;
  const Projection& projection_;
  Metric metric_;
  int judging_threads_;
  int64_t unit_ = 0;
  float band_ = 0;         ///< of logits that float32 must decide
  int64_t rechecked_ = 0;  ///< examples
};

}  // namespace soup
