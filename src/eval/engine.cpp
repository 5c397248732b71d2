#include "eval/engine.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <malloc.h>

#include <algorithm>

#include "core/log.h"
#include "core/table.h"
#include "core/threads.h"
#include "eval/gpu_memory.h"
#include "eval/judge.h"
#include "soup/error.h"

namespace soup {
namespace {

// glibc gives freed memory back at once and gets it again page by page, which
// costs a fifth of the time of a small model.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

}  // namespace

void Engine::load(const Checkpoint& weights) {
  model->load(weights);
  if (fast) fast->load(weights);
}

std::shared_ptr<Engine> make_engine(const Checkpoint& like,
                                    const EvaluatorOptions& options) {
  keep_freed_memory();
  // Threads that each work on their own pictures need no barriers; those of
  // OpenMP would turn the processor while they wait.
  at::set_num_threads(1);
  const at::Device device = find_device(options.device);
  const Precision precision = read_precision(options, device);
  const auto make = [&](at::ScalarType type) {
    return make_model_of(type, options, like, device);
  };
  std::unique_ptr<Model> model =
      make(precision.recheck ? at::kFloat : precision.type);
  std::unique_ptr<Model> fast;
  if (precision.recheck && !precision.tf32) fast = make(precision.type);
  if (precision.fast() && !precision.recheck) {
    log::info("--precision " + options.precision +
              ": counts may differ from those of fp32");
  }
  const int wanted = options.threads > 0 ? options.threads : default_threads();
  const int threads = device.is_cpu() ? wanted : 1;
  return std::shared_ptr<Engine>(
      new Engine{precision, std::move(model), std::move(fast), Crew(threads)});
}

Logits::Logits(Engine& engine, const Resident& resident,
               const Projection& projection, const EvaluatorOptions& options)
    : engine_(engine),
      resident_(resident),
      projection_(projection),
      metric_(find_row(metrics(), options.metric, "metric")),
      unit_(engine.model->device().is_cpu() ? sized_unit()
                                            : options.batch_size) {}

// The model's unit, or a multiple of it for pictures smaller than usual.
int64_t Logits::sized_unit() const {
  int64_t unit = engine_.model->unit();
  const ModelInput& usual = engine_.model->input();
  const Examples& examples = resident_.examples();
  const int64_t pixels = examples.height * examples.width;
  if (pixels == 0) return unit;  // ready inputs
  const int64_t larger = usual.height * usual.width / pixels;
  constexpr int64_t most = 64;
  for (int64_t i = 2; i <= larger && 2 * unit <= most; i *= 2) unit *= 2;
  return unit;
}

int64_t Logits::at_once() const {
  // A GPU waits while its answers are judged, and computes whole units anew
  // for the few that are too close to call.
  constexpr int64_t units_of_gpu = 16;
  return unit_ * (engine_.model->device().is_cpu() ? engine_.crew.size()
                                                   : units_of_gpu);
}

int32_t Logits::label(int64_t example, std::span<const float> logits) const {
  const Examples& all = resident_.examples();
  const auto i = static_cast<size_t>(example);
  return all.also.empty() ? all.labels[i]
                          : closest_label(logits, all.labels[i], all.also[i]);
}

// By a sample of the examples, spread over all.
void Logits::begin() {
  if (!engine_.precision.recheck) return;
  constexpr int64_t sample = 256;
  const int64_t count = resident_.examples().count;
  const int64_t step = std::max<int64_t>(count / sample, 1);
  std::vector<int64_t> which;
  for (int64_t i = 0; i < count; i += step) which.push_back(i);
  std::vector<float> fast;
  std::vector<float> exact;
  compute_fast(which, fast);
  compute(*engine_.model, at::kFloat, which, exact);
  band_ = error_band(fast, exact);
  rechecked_ = 0;
}

void Logits::look(std::span<const int64_t> which, std::vector<float>& logits) {
  compute_fast(which, logits);
  if (!engine_.precision.recheck) return;
  const auto classes = static_cast<size_t>(projection_.classes());
  std::vector<size_t> places;
  std::vector<int64_t> close;
  for (size_t i = 0; i < which.size(); ++i) {
    const std::span row(logits.data() + i * classes, classes);
    if (!is_close(row, label(which[i], row), band_, metric_)) continue;
    places.push_back(i);
    close.push_back(which[i]);
  }
  if (close.empty()) return;
  std::vector<float> exact;
  compute(*engine_.model, at::kFloat, close, exact);
  for (size_t i = 0; i < places.size(); ++i) {
    std::copy_n(exact.data() + i * classes, classes,
                logits.data() + places[i] * classes);
  }
  rechecked_ += std::ssize(close);
}

void Logits::compute_fast(std::span<const int64_t> which,
                          std::vector<float>& logits) {
  const Tf32Guard guard(engine_.precision.tf32);
  compute(engine_.fast ? *engine_.fast : *engine_.model, engine_.precision.type,
          which, logits);
}

void Logits::compute(const Model& model, at::ScalarType type,
                     std::span<const int64_t> which,
                     std::vector<float>& logits) {
  halve_until_it_fits(model, unit_,
                      [&] { compute_units(model, type, which, logits); });
}

// Units of one shape give each example the same logits whatever stands beside
// it.
void Logits::compute_units(const Model& model, at::ScalarType type,
                           std::span<const int64_t> which,
                           std::vector<float>& logits) {
  const int64_t outputs = model.classes();
  const int64_t classes = projection_.classes();
  const int64_t units = (std::ssize(which) + unit_ - 1) / unit_;
  logits.resize(which.size() * static_cast<size_t>(classes));
  const auto part_of = [&](int64_t u) {
    const auto begin = static_cast<size_t>(u * unit_);
    return which.subspan(
        begin, std::min(static_cast<size_t>(unit_), which.size() - begin));
  };
  const auto forward = [&](int64_t u) {
    const c10::InferenceMode guard;
    std::vector<at::Tensor> inputs = resident_.batch(part_of(u), unit_);
    for (at::Tensor& input : inputs) {
      if (input.is_floating_point()) input = input.to(type);
    }
    return model.forward(inputs);
  };
  const auto read = [&](int64_t u, const at::Tensor& made) {
    const c10::InferenceMode guard;
    const at::Tensor out = made.to(at::kCPU, at::kFloat).contiguous();
    const auto* const rows = out.const_data_ptr<float>();
    for (int64_t i = 0; i < std::ssize(part_of(u)); ++i) {
      projection_.apply({rows + i * outputs, static_cast<size_t>(outputs)},
                        {logits.data() + (u * unit_ + i) * classes,
                         static_cast<size_t>(classes)});
    }
  };
  if (model.device().is_cpu()) {
    engine_.crew.run(units, [&](int64_t u) { read(u, forward(u)); });
    return;
  }
  // A GPU goes on with the next while one is read.
  std::vector<at::Tensor> made;
  for (int64_t u = 0; u < units; ++u) made.push_back(forward(u));
  for (int64_t u = 0; u < units; ++u) read(u, made[static_cast<size_t>(u)]);
}

void Logits::tell(const std::string& dataset) const {
  if (!engine_.precision.recheck) return;
  log::debug(dataset + ": fp32 decided " + std::to_string(rechecked_) +
             " examples, whose logits were closer than " +
             std::to_string(band_));
}

}  // namespace soup
