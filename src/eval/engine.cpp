#include "eval/engine.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/Event.h>
#include <malloc.h>

#include <algorithm>

#include "core/log.h"
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

/// Logits of a GPU on their way to the host, behind what it was told before:
/// it goes on with what it is told after.
class Arriving {
 public:
  explicit Arriving(const at::Tensor& logits)
      : host_(at::empty(
            logits.sizes(),
            at::TensorOptions().dtype(at::kFloat).pinned_memory(true))),
        arrived_(logits.device().type()) {
    host_.copy_(logits.to(at::kFloat), /*non_blocking=*/true);
    const c10::impl::VirtualGuardImpl gpu(logits.device().type());
    arrived_.record(gpu.getStream(logits.device()));
  }

  const at::Tensor& wait() const {
    arrived_.synchronize();
    return host_;
  }

 private:
  at::Tensor host_;
  c10::Event arrived_;
};

}  // namespace

void Engine::load(const Checkpoint& weights) {
  model->load(weights);
  if (fast) fast->load(weights);
  ++loads;
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
      metric_(find_metric(options.metric)),
      judging_threads_(engine.model->device().is_cpu() ? 1 : options.threads),
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
  // A GPU waits while its last answers are judged, and computes whole units
  // anew for the few that are too close to call.
  constexpr int64_t units_of_gpu = 8;
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
  compute_exact(which, exact);
  band_ = error_band(fast, exact);
  rechecked_ = 0;
}

void Logits::look(std::span<const int64_t> which, std::vector<float>& logits) {
  compute_fast(which, logits);
  if (!engine_.precision.recheck) return;
  const std::vector<size_t> places = close_calls(which, logits);
  if (places.empty()) return;
  std::vector<int64_t> close;
  for (const size_t i : places) close.push_back(which[i]);
  std::vector<float> exact;
  compute_exact(close, exact);
  const auto classes = static_cast<size_t>(projection_.classes());
  for (size_t i = 0; i < places.size(); ++i) {
    std::copy_n(exact.data() + i * classes, classes,
                logits.data() + places[i] * classes);
  }
  rechecked_ += std::ssize(close);
}

std::vector<size_t> Logits::close_calls(
    std::span<const int64_t> which, const std::vector<float>& logits) const {
  const auto classes = static_cast<size_t>(projection_.classes());
  std::vector<uint8_t> close(which.size());
  parallel_for(std::ssize(which), judging_threads_, [&](int64_t k) {
    const auto i = static_cast<size_t>(k);
    const std::span row(logits.data() + i * classes, classes);
    close[i] = is_close(row, label(which[i], row), band_, metric_) ? 1 : 0;
  });
  std::vector<size_t> places;
  for (size_t i = 0; i < close.size(); ++i) {
    if (close[i] != 0) places.push_back(i);
  }
  return places;
}

void Logits::compute_fast(std::span<const int64_t> which,
                          std::vector<float>& logits) {
  const Tf32Guard guard(engine_.precision.tf32);
  compute({.model = engine_.fast ? *engine_.fast : *engine_.model,
           .type = engine_.precision.type},
          which, logits);
}

// On a GPU in small units: most of a large one would be filling. On a CPU in
// those of fp32, to give its bits.
void Logits::compute_exact(std::span<const int64_t> which,
                           std::vector<float>& logits) {
  compute({.model = *engine_.model,
           .type = at::kFloat,
           .divisor = engine_.model->device().is_cpu() ? 1 : 4},
          which, logits);
}

void Logits::compute(const Pass& pass, std::span<const int64_t> which,
                     std::vector<float>& logits) {
  halve_until_it_fits(pass.model, unit_, [&] {
    const int64_t unit = std::max<int64_t>(unit_ / pass.divisor, 1);
    compute_units(pass, unit, which, logits);
  });
}

// Units of one shape give each example the same logits whatever stands beside
// it.
void Logits::compute_units(const Pass& pass, int64_t unit,
                           std::span<const int64_t> which,
                           std::vector<float>& logits) {
  const int64_t outputs = pass.model.classes();
  const int64_t classes = projection_.classes();
  const int64_t units = (std::ssize(which) + unit - 1) / unit;
  logits.resize(which.size() * static_cast<size_t>(classes));
  const auto part_of = [&](int64_t u) {
    const auto begin = static_cast<size_t>(u * unit);
    return which.subspan(
        begin, std::min(static_cast<size_t>(unit), which.size() - begin));
  };
  const auto forward = [&](int64_t u) {
    std::vector<at::Tensor> inputs = resident_.batch(part_of(u), unit);
    for (at::Tensor& input : inputs) {
      if (input.is_floating_point()) input = input.to(pass.type);
    }
    return pass.model.forward(inputs);
  };
  const auto read = [&](int64_t u, const at::Tensor& host) {
    const auto* const rows = host.const_data_ptr<float>();
    for (int64_t i = 0; i < std::ssize(part_of(u)); ++i) {
      projection_.apply({rows + i * outputs, static_cast<size_t>(outputs)},
                        {logits.data() + (u * unit + i) * classes,
                         static_cast<size_t>(classes)});
    }
  };
  if (pass.model.device().is_cpu()) {
    engine_.crew.run(units, [&](int64_t u) {
      const c10::InferenceMode guard;
      read(u, forward(u).to(at::kFloat).contiguous());
    });
    return;
  }
  const c10::InferenceMode guard;
  std::vector<Arriving> made;
  for (int64_t u = 0; u < units; ++u) made.emplace_back(forward(u));
  for (int64_t u = 0; u < units; ++u) {
    read(u, made[static_cast<size_t>(u)].wait());
  }
}

void Logits::tell(const std::string& dataset) const {
  if (!engine_.precision.recheck) return;
  log::debug(dataset + ": fp32 decided " + std::to_string(rechecked_) +
             " examples, whose logits were closer than " +
             std::to_string(band_));
}

}  // namespace soup
